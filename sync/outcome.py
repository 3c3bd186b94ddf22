"""What an answer means. Pure: status, headers and body in, a verdict out (DESIGN, section 6).

Only an explicit word of the receiver settles an event; whatever is missing, unknown or contradictory counts
as retry. An answer that cannot be read settles nothing. Nothing an answer says can drop an event.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

import msgspec

Short = Annotated[str, msgspec.Meta(max_length=128)]
FORK = "urn:lineside:problem:fork"
RENEW_HINT = "Renew the token or password in its file; it is read anew for every call"
ENCODINGS = ("zstd", "gzip", "identity")  # tried in this order


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What the receiver says about one event; the wire form of a result."""

    id: str = ""
    status: str = ""  # accepted, duplicate, rejected, retry
    document: Short | None = None  # the receiver's document number (凭证)
    posting_date: Short | None = None
    problem: Any = None  # RFC 9457


RETRY = Outcome(status="retry")
_STATUSES = frozenset(("accepted", "duplicate", "rejected", "retry"))


@dataclass(frozen=True)
class Settled:
    """An outcome for each event of the batch, in its order."""

    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Split:
    """The call as a whole was refused for what is in it: send less, down to one event."""

    problem: dict[str, Any]  # for the event that is found
    too_large: bool = False


@dataclass(frozen=True)
class Pause:
    """The receiver will take nothing until a person acts."""

    detail: str
    hint: str
    wish_s: float | None = None


@dataclass(frozen=True)
class Again:
    """Nothing is known to be settled: the same again, after a while."""

    detail: str
    hint: str
    wish_s: float | None = None  # how long the receiver asks to wait
    late: bool = False  # it had the call and did not finish with it in time


@dataclass(frozen=True)
class Reencode:
    """The same at once in another encoding; `lasting` where the receiver does not know this one."""

    encoding: str
    lasting: bool


Verdict = Settled | Split | Pause | Again


class _Results(msgspec.Struct):
    results: list[Outcome]


class _Odd(msgspec.Struct):
    id: str = ""
    status: str = ""
    document: Any = None
    posting_date: Any = None
    problem: Any = None


class _OddResults(msgspec.Struct):
    results: list[_Odd]


_results = msgspec.json.Decoder(_Results)
_odd_results = msgspec.json.Decoder(_OddResults)
_PAUSES = {
    401: RENEW_HINT,
    403: "Give this account the right to post production facts",
    404: "Check the uplink's url; nothing answers to it there",
}


def decide(answer: Answer, ids: Sequence[str], encoding: str, now_ms: int) -> Verdict | Reencode:
    """What an answer to a batch means. `ids` are the batch's; `now_ms` is UTC."""
    status = answer.status
    if status == 200:
        return _settled(answer, ids)
    if status == 400 and encoding != "identity":
        return Reencode("identity", lasting=False)
    if status == 415 and encoding != "identity":
        return Reencode(ENCODINGS[ENCODINGS.index(encoding) + 1], lasting=True)
    if status in (400, 413, 422):
        return Split(problem_of(answer), too_large=status == 413)
    said = f"answered {status}{excerpt(answer.body)}"
    wish_s = retry_after_s(answer.headers, now_ms)
    if status in _PAUSES:
        return Pause(said, _PAUSES[status], wish_s)
    if 300 <= status < 400:
        where = printable(answer.headers.get("location", "elsewhere"), 200)
        return Again(f"{said} and points to {where}", "Redirects are refused: put the final url", wish_s)
    return Again(said, _hint(status), wish_s)


def _settled(answer: Answer, ids: Sequence[str]) -> Verdict:
    try:
        results = _read(answer.body)
    except (msgspec.DecodeError, RecursionError) as error:
        return Again(
            f"answered 200 with something that is no answer ({printable(str(error), 120)})"
            f"{excerpt(answer.body)}",
            "Check the uplink's url: a proxy's or login page may stand in front of the endpoint",
        )
    outcomes = results
    if [result.id for result in results] != ids:
        outcomes = _matched(results, ids)
    if not _STATUSES.issuperset([outcome.status for outcome in outcomes]):
        outcomes = [outcome if outcome.status in _STATUSES else RETRY for outcome in outcomes]
    return Settled(outcomes)


def _matched(results: list[Outcome], ids: Sequence[str]) -> list[Outcome]:
    """The results in the batch's order; missing and contradictory ones count as retry."""
    said = {result.id: result for result in results}
    if len(said) < len(results):
        for result in results:
            if result.status != said[result.id].status:
                said[result.id] = RETRY
    return [said.get(id_, RETRY) for id_ in ids]


def _read(body: bytes) -> list[Outcome]:
    """The results; an odd document number must not keep a fact from being settled."""
    try:
        return _results.decode(body).results
    except msgspec.ValidationError:
        return [
            Outcome(odd.id, odd.status, _text(odd.document), _text(odd.posting_date), odd.problem)
            for odd in _odd_results.decode(body).results
        ]


def _text(value: Any) -> str | None:
    return None if value is None else printable(str(value), 128)


def _hint(status: int) -> str:
    if status == 415:
        return "The endpoint must take application/cloudevents-batch+json; check the uplink's url"
    if status == 409:
        return "The receiver is busy with the same facts; nothing to do unless it lasts"
    if status in (408, 429) or status >= 500:
        return "Nothing to do here unless it lasts: then ask who runs the receiver"
    return "Check the uplink's url and what stands between here and the receiver"


def problem_of(answer: Answer) -> dict[str, Any]:
    """The reason of a refusal as RFC 9457, made up from the answer where it holds none."""
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if isinstance(found, dict) and ("title" in found or "detail" in found or "type" in found):
        return found
    return {"title": f"answered {answer.status}", "status": answer.status, "detail": excerpt(answer.body)[2:]}


def retry_after_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3). A date is taken against the receiver's own clock."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    until = _date(text)
    if until is None:
        return None
    now = _date(headers.get("date", "")) or datetime.fromtimestamp(now_ms / 1000, UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def excerpt(body: bytes) -> str:
    """The beginning of a body for a person, as `: …`; empty where there is nothing to read."""
    text = printable(body[:1000].decode("utf-8", "replace"), 160)
    return f": {text}" if text else ""


def printable(text: str, length_max: int) -> str:
    """One line without control characters, at most `length_max` characters."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(line.split())[:length_max]
