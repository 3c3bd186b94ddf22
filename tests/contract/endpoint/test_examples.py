"""What docs/openapi.yaml shows is what happens: each example of a request is sent by lineside's own delivery
to the reference endpoint, which gives the answer shown under the same name; delivery understands all answers.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785

from edge.demo.endpoint import Endpoint
from edge.events import chain_of
from edge.events.sealing import first_broken
from edge.masterdata import parse
from sync.batch import Batch, pack
from sync.comparison import understood
from sync.http import HttpUplink
from sync.outcome import Again, Answer, Outcome, Pause, Reencode, Settled, Split, decide
from sync.settings import HttpSettings
from sync.tally import Report
from tests.contract.endpoint.conftest import TOKEN
from tests.contract.endpoint.document import Shown, answers, bodies, requests, validator
from tests.contract.uplink.rig import Time

EVENTS, COMPARING, MASTER = "/events", "/events/reconciliation", "/events/masterdata"
AGAIN = ", sent again"
OTHERS = "the second not now"  # of a receiver that posts one by one: the reference endpoint never says so
# Removing an example must be meant: these are the ones that people are shown.
TITLES = {
    EVENTS: ["two facts", "an unknown order", "nothing"],
    COMPARING: ["one lot", "a figure that differs", "two that never arrived"],
}
SHOWN = list(answers())
# What delivery makes of a call that is refused as a whole: compressed, and not.
MEANS: dict[int, tuple[type, type]] = {
    400: (Reencode, Split),
    401: (Pause, Pause),
    403: (Pause, Pause),
    404: (Pause, Pause),
    409: (Again, Again),
    413: (Split, Split),
    415: (Reencode, Again),
    422: (Split, Split),
    429: (Again, Again),
    503: (Again, Again),
}


def said(path: str, title: str) -> Any:
    """The example of a 200."""
    (value,) = [one.value for one in SHOWN if (one.path, one.status, one.title) == (path, 200, title)]
    return value


def outcomes(value: Any) -> list[Outcome]:
    return msgspec.convert(value["results"], list[Outcome])


def batch(events: list[dict[str, Any]]) -> Batch:
    """Events as the journal would give them to delivery."""
    rows = [(int(event["sequence"]), rfc8785.dumps(event)) for event in events]
    return pack("0123456789abcdef", events[0]["source"], rows)


def uplink(endpoint: Endpoint, tmp_path: Path) -> HttpUplink:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    given = {"kind": "http", "url": endpoint.url, "token_file": str(token)}
    return HttpUplink("erp", HttpSettings.model_validate(given), Time())


@pytest.mark.parametrize("name", [name for name, _ in bodies()])
def test_every_body_has_examples_and_each_fits_its_schema(name: str) -> None:
    for held in [held for found, held in bodies() if found == name]:
        assert held["examples"]
        for example in held["examples"].values():
            validator(held["schema"]).validate(example["value"])


def test_no_example_is_missing() -> None:
    assert {path: list(requests(path)) for path in (EVENTS, COMPARING)} == TITLES
    taken = [one.title for one in SHOWN if (one.path, one.status) == (EVENTS, 200)]
    assert taken == ["two facts", "two facts" + AGAIN, "an unknown order", "nothing", OTHERS]
    assert [one.title for one in SHOWN if (one.path, one.status) == (COMPARING, 200)] == TITLES[COMPARING]


def test_the_facts_that_are_shown_fit_the_schemas_of_their_types_and_follow_on_each_other() -> None:
    events = [event for batched in requests(EVENTS).values() for event in batched]
    for event in events:
        schema = json.loads(Path(f"docs/schemas/{event['type']}.json").read_text(encoding="utf-8"))
        validator(schema).validate(event)
    rows = [(int(event["sequence"]), rfc8785.dumps(event)) for event in events]
    assert [seq for seq, _ in rows] == [1, 2, 3]
    assert first_broken(rows, 0, "") is None
    assert chain_of(rows[0][1]) == events[0]["chain"]


async def test_each_request_that_is_shown_gets_the_answer_that_is_shown(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    sender = uplink(endpoint, tmp_path)
    try:
        for title, events in requests(EVENTS).items():
            if not events:
                continue  # delivery never sends an empty batch: below
            for name in (title, title + AGAIN) if title == "two facts" else (title,):
                verdict = await sender.ship(batch(events))
                assert isinstance(verdict, Settled), verdict
                assert list(verdict.outcomes) == outcomes(said(EVENTS, name)), name
        for title, claim in requests(COMPARING).items():
            answer = await sender.reconcile(json.dumps(claim).encode())
            assert (answer.status, json.loads(answer.body)) == (200, said(COMPARING, title)), title
    finally:
        await sender.close()


async def test_an_empty_batch_is_answered_as_shown(endpoint: Endpoint, tmp_path: Path) -> None:
    sender = uplink(endpoint, tmp_path)
    nothing = Batch(
        "0123456789abcdef", "", [(1, b"")], json.dumps(requests(EVENTS)["nothing"]).encode(), [], 1, []
    )
    try:
        verdict = await sender.ship(nothing)
    finally:
        await sender.close()
    assert verdict == Settled([]) and said(EVENTS, "nothing") == {"results": []}


async def test_the_master_data_that_are_shown_are_served_and_read(
    endpoint: Endpoint, masterdata: Path, tmp_path: Path
) -> None:
    ((_, _, _, shown),) = [one for one in SHOWN if (one.path, one.status) == (MASTER, 200)]
    masterdata.write_text(json.dumps(shown), encoding="utf-8")
    sender = uplink(endpoint, tmp_path)
    try:
        answer = await sender.fetch_masterdata(None)
        again = await sender.fetch_masterdata(answer.headers["etag"])
    finally:
        await sender.close()
    assert (answer.status, json.loads(answer.body), again.status) == (200, shown, 304)
    document = parse(answer.body)
    assert [order.work_order for order in document.work_orders or ()] == ["10045678"]
    assert [one.material for one in document.materials or ()] == ["STEEL-4"]


def test_delivery_understands_what_others_may_answer() -> None:
    two = [event["id"] for event in requests(EVENTS)["two facts"]]
    verdict = decide(Answer(200, {}, json.dumps(said(EVENTS, OTHERS)).encode()), two, "zstd", 0)
    assert isinstance(verdict, Settled)
    assert [one.status for one in verdict.outcomes] == ["accepted", "retry"]


@pytest.mark.parametrize(
    "shown",
    [one for one in SHOWN if one.path == EVENTS and one.status != 200],
    ids=lambda one: f"{one.status}: {one.title}",
)
def test_delivery_acts_on_a_refusal_as_the_document_says(shown: Shown) -> None:
    answer = Answer(shown.status, {}, json.dumps(shown.value).encode())
    for encoding, kind in zip(("zstd", "identity"), MEANS[shown.status], strict=True):
        verdict = decide(answer, ["1"], encoding, 0)
        assert type(verdict) is kind
        if isinstance(verdict, Split):
            assert verdict.problem == shown.value
        elif isinstance(verdict, Pause | Again):
            assert str(shown.status) in verdict.detail and shown.value["title"] in verdict.detail


def test_delivery_understands_every_comparison_that_is_shown() -> None:
    for title, claim in requests(COMPARING).items():
        ours = msgspec.convert(claim, Report, strict=False)
        answer = said(COMPARING, title)
        found = understood(json.dumps(answer).encode(), ours)
        assert found.match is answer["match"]
        assert list(found.missing) == answer["missing"]
        assert [(one.here, one.there) for one in found.differences] == [
            (one["sent"], one["received"]) for one in answer["differences"]
        ]
