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
    odd: "Again | None" = None  # the answer speaks of none of them: what to say of it


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
_ODD_HINT = (
    "The endpoint must answer each event's `id` as it was sent (docs/http-uplink.md). Nothing is settled, the"
    " same is sent again"
)
_UNPROVEN = (
    "No token or password is configured for this uplink: set token_file, or user and password_file, or"
    " token_url with client_id and client_secret_file, then restart lineside sync"
)
_PAUSES = {
    401: RENEW_HINT,
    403: "Give this account the right to post production facts",
    404: "Check the uplink's url; nothing answers to it there",
}


def decide(
    answer: Answer, ids: Sequence[str], encoding: str, now_ms: int, proven: bool = True
) -> Verdict | Reencode:
    """What an answer to a batch means. `ids` are the batch's; `now_ms` is UTC.

    `proven`: the call said who we are, by a token or a password.
    """
    status = answer.status
    if status == 200:
        return _settled(answer, ids)
    if status == 400 and encoding != "identity":
        return Reencode("identity", lasting=False)
    if status == 415 and encoding != "identity":
        return Reencode(ENCODINGS[ENCODINGS.index(encoding) + 1], lasting=True)
    if status in (400, 413, 422):
        return Split(problem_of(answer), too_large=status == 413)
    said = f"answered {status}{said_in(answer.body)}"
    wish_s = retry_after_s(answer.headers, now_ms)
    if status in _PAUSES:
        return Pause(said, _PAUSES[status] if proven or status != 401 else _UNPROVEN, wish_s)
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
    outcomes, odd = results, None
    if [result.id for result in results] != ids:
        outcomes = _matched(results, ids)
        if not {result.id for result in results}.intersection(ids):
            many = f"none of the {len(ids)} ids that were sent is"
            sent = many if len(ids) > 1 else "the id that was sent is not"
            odd = Again(f"answered 200, but {sent} in the answer{excerpt(answer.body)}", _ODD_HINT)
    if not _STATUSES.issuperset([outcome.status for outcome in outcomes]):
        outcomes = [outcome if outcome.status in _STATUSES else RETRY for outcome in outcomes]
    return Settled(outcomes, odd)


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


def said_in(body: bytes) -> str:
    """What a refusal says, as `: …`: title and detail of a problem document, else how its body begins."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if isinstance(found, dict) and any(isinstance(found.get(key), str) for key in ("title", "detail")):
        return f": {sentence(found)}" if sentence(found) else excerpt(body)
    return excerpt(body)


def sentence(problem: Any) -> str:
    """Title and detail of a problem, its further words behind them; its type where it has no words."""
    if not isinstance(problem, dict):
        return printable(str(problem or ""), _WORDS_MAX)
    words = [str(problem[key]) for key in ("title", "detail") if problem.get(key)]
    words = words[1:] if len(words) == 2 and words[0] in words[1] else words
    more = [f"{key}: {value}" for key, value in problem.items() if key not in _UNSAID and value]
    said = ". ".join([": ".join(words)] * bool(words) + [", ".join(more)] * bool(more))
    return printable(said or str(problem.get("type", "")), _WORDS_MAX)


_WORDS_MAX = 500
_UNSAID = frozenset(("title", "detail", "type", "status", "instance"))


def printable(text: str, length_max: int) -> str:
    """One line without control characters, at most `length_max` characters."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(line.split())[:length_max]
