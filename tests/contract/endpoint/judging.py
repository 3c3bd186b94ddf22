"""What schemathesis cannot know of the contract: how bodies are compressed, what a sender makes of an answer.

Loaded by schemathesis itself (schemathesis.toml), in a process of its own.
"""

import gzip
import json
from typing import Any

import schemathesis
import zstandard
from jsonschema import Draft202012Validator

from edge.masterdata import parse
from sync.comparison import understood
from sync.outcome import Again, Answer, Pause, Reencode, Settled, Split, decide
from sync.tally import Report
from tests.contract.endpoint.document import API

_COMPRESS = {"zstd": zstandard.compress, "gzip": gzip.compress}
_EVENT = Draft202012Validator(
    {"$ref": "#/components/schemas/Event", "components": API["components"]},
    format_checker=Draft202012Validator.FORMAT_CHECKER,
)
_MEANS = {400: (Reencode, Split), 401: Pause, 413: Split, 415: (Reencode, Again)}


@schemathesis.serializer("application/json", "application/cloudevents-batch+json")
def encoded(context: Any, value: Any) -> bytes:
    """The body in the encoding that its header names; one that is unknown is left to the receiver."""
    given = value if isinstance(value, bytes) else json.dumps(_whole(value)).encode()
    compress = _COMPRESS.get(_encoding(context.case))
    return compress(given) if compress is not None else given


@schemathesis.check
def an_odd_event_is_never_accepted(context: Any, response: Any, case: Any) -> None:
    """Other than a whole call, an event that does not fit is answered by itself: rejected, with a problem."""
    if case.path != "/events" or response.status_code != 200:
        return
    assert len(case.body) <= 500, "more than a call may carry"
    for event, result in zip(case.body, response.json()["results"], strict=True):
        assert result["id"] == event["id"], "results stand in the order of the events"
        if not _EVENT.is_valid(event):
            assert result["status"] == "rejected", f"an event that does not fit: {result}"


@schemathesis.check
def the_sender_understands(context: Any, response: Any, case: Any) -> None:
    """lineside's own delivery takes the answer for what it says."""
    answer = Answer(response.status_code, {}, response.content)
    if case.path == "/events" and case.method == "POST":
        _understood_events(answer, case)
    elif case.path == "/events/reconciliation" and answer.status == 200:
        body = _whole(case.body)
        ours = Report(body["source"], body["from_seq"], body["to_seq"], body["count"], body["digest"], [], [])
        said = understood(answer.body, ours)
        assert said.absurd == 0, "what is missing lies in the range"
        assert said.match <= json.loads(answer.body)["match"]
    elif case.path == "/events/masterdata" and answer.status == 200:
        parse(answer.body)


def _understood_events(answer: Answer, case: Any) -> None:
    ids = [event["id"] for event in case.body] if answer.status == 200 else []
    verdict = decide(answer, ids, _encoding(case) if _encoding(case) in _COMPRESS else "identity", 0)
    if answer.status == 200:
        assert isinstance(verdict, Settled), verdict
        said = [result["status"] for result in json.loads(answer.body)["results"]]
        assert [outcome.status for outcome in verdict.outcomes] == said
    else:
        assert isinstance(verdict, _MEANS.get(answer.status, Again)), verdict


def _whole(value: Any) -> Any:
    """The same with 1.0 written as 1: to JSON Schema they are equal, and the contract knows integers only."""
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _encoding(case: Any) -> str:
    return str((case.headers or {}).get("Content-Encoding", "identity"))
