"""`expected.txt` and `totals.txt`: what a person says must come of a situation, and how it differs.

    ignore count.recorded                      facts of these types may come or not

    08:00:05  ✓ 1042 signed on                 an answer: ✓ recorded  … pending  = repeated  ✕ refused  i info
              operator.signed_on operator=1042 #on    a fact, with the keys that matter; #on names it

    08:20:00  alert raised station.OP20.no_job OP20: ...    an alert by its key; its text may stand behind it

    2026-11-23  1001/0020  BRACKET-7  good  100 C62        of totals.txt; - where there is none

Everything is exact: what is not named may not come. A line without a time has that of the line above. The
station may stand behind the time. `key=none`: the fact has no such key; `key=unknown`: it is null;
`key=#on`: the id of the fact so named. Of a message that ends with ` ...` only the beginning counts. Alerts
are compared where a situation names any; others are not about them.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from pathlib import Path

from edge.events import FACTS
from edge.replay.lines import Line, Sheet, SituationFault, Wrong
from edge.replay.totals import NONE, Key, Sums
from edge.replay.view import CLEARED, RAISED, Alerted, Answered, Recorded, Row, text
from edge.settings import Settings

SIGNS = {"recorded": "✓", "pending": "…", "repeated": "=", "refused": "✕", "info": "i"}
_RESULTS = {sign: result for result, sign in SIGNS.items()} | {result: result for result in SIGNS}
_ALLOWED_RESULTS = "✓ or recorded, … or pending, = or repeated, ✕ or refused, i or info"
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")  # 0020 is no number: it is an operation
_KEY = re.compile(r"[A-Za-z][\w.-]*=")
_ALERTS = (RAISED, CLEARED)
KINDS = tuple(name.removeprefix("lineside.").removesuffix(".v1") for name in FACTS)


@dataclass(frozen=True)
class Wanted:
    """A line of expected.txt. `message` of an answer; `values` and `label` of a fact."""

    number: int
    at_ms: int
    station: str | None
    kind: str  # a result or a type
    text: str
    message: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None


@dataclass(frozen=True)
class Expectation:
    """All of expected.txt."""

    wanted: Sequence[Wanted]
    ignored: Sequence[str]

    def ignores(self, kind: str) -> bool:
        if kind in _ALERTS:
            return not any(one.kind in _ALERTS for one in self.wanted)
        return any(fnmatchcase(kind, pattern) for pattern in self.ignored)


@dataclass(frozen=True)
class WantedSums:
    """All of totals.txt; sums of the `ignored` kinds may come or not."""

    sums: Sums
    ignored: frozenset[str]


@dataclass(frozen=True)
class Difference:
    """What was expected beside what came; either may be missing. `why` says what differs."""

    wanted: str
    came: str
    why: str
    at_ms: int | None = None


def load(path: Path, site: Settings) -> Expectation:
    """The expectation at `path`. Raises SituationFault with every problem found."""
    sheet = Sheet(path, site.edge.zone)
    wanted: list[Wanted] = []
    ignored: list[str] = []
    at_ms: int | None = None
    for line in sheet.timed():
        try:
            if line.text.startswith("ignore "):
                ignored += _ignored(line.text)
                continue
            at_ms = line.at_ms if line.at_ms is not None else at_ms
            if line.at_ms is None and wanted and _KEY.match(line.text):
                wanted[-1] = _continued(wanted[-1], line)
            elif line.text:
                wanted.append(_wanted(line, at_ms, site))
        except Wrong as wrong:
            sheet.wrong(line.number, str(wrong))
    labels = {one.label for one in wanted if one.label}
    for one in wanted:
        for value in one.values.values():
            if value.startswith("#") and value[1:] not in labels:
                sheet.wrong(one.number, f"{value}: no fact is named so")
    if sheet.problems:
        raise SituationFault(sheet.problems)
    return Expectation(wanted, ignored)


def load_totals(path: Path, site: Settings) -> WantedSums:
    """The sums at `path`. Raises SituationFault with every problem found."""
    sheet = Sheet(path, site.edge.zone)
    sums: Sums = {}
    ignored: list[str] = []
    for number, row in sheet.rows():
        columns = row.split()
        if columns[0] == "ignore":
            ignored += columns[1:]
            continue
        if len(columns) != 6:
            sheet.wrong(
                number,
                "six columns are needed: date, order/operation, what, kind, quantity, unit (- for none)",
            )
            continue
        date, job, what, kind, quantity, unit = columns
        key = Key(date, job, what, kind, unit)
        if key in sums:
            sheet.wrong(number, f"{date} {job} {what} {kind} stands there twice")
        try:
            sums[key] = Decimal(quantity)
        except InvalidOperation:
            sheet.wrong(number, f"{quantity} is no number")
    if sheet.problems:
        raise SituationFault(sheet.problems)
    return WantedSums(sums, frozenset(ignored))


def _ignored(line: str) -> list[str]:
    patterns = line.split()[1:]
    for pattern in patterns:
        if not any(fnmatchcase(kind, pattern) for kind in (*KINDS, *SIGNS)):
            raise Wrong(f"{pattern} is no type of fact; allowed: {', '.join(KINDS)}")
    return patterns


def _wanted(line: Line, at_ms: int | None, site: Settings) -> Wanted:
    if at_ms is None:
        raise Wrong("the first line needs a time with its date: 2026-11-23 08:00:05")
    rest, station = line.text, None
    first, _, behind = rest.partition(" ")
    if first in site.stations:
        station, rest = first, behind.strip()
    head, _, behind = rest.partition(" ")
    if result := _RESULTS.get(head.rstrip(":")):
        return Wanted(line.number, at_ms, station, result, line.text, message=behind.strip())
    if head == "alert":
        return _wanted_alert(line, at_ms, behind.split(maxsplit=2))
    if head not in KINDS:
        raise Wrong(
            f"{head!r} is no answer and no type of fact. Answers: {_ALLOWED_RESULTS}; types:"
            f" {', '.join(KINDS)}; stations: {', '.join(site.stations)}"
        )
    values, label = _values(behind)
    return Wanted(line.number, at_ms, station, head, line.text, values=values, label=label)


def _wanted_alert(line: Line, at_ms: int, words: Sequence[str]) -> Wanted:
    kind = f"alert {words[0]}" if words else ""
    if kind not in _ALERTS or len(words) < 2:
        raise Wrong(f"{line.text}: an alert is written `alert raised <key>` or `alert cleared <key>`")
    message = " ".join(words[1:]) if len(words) > 2 else f"{words[1]} ..."
    return Wanted(line.number, at_ms, None, kind, line.text, message=message)


def _continued(above: Wanted, line: Line) -> Wanted:
    """The fact above with the further keys of a line that begins with one."""
    values, label = _values(line.text)
    if above.kind not in KINDS or above.values.keys() & values.keys():
        raise Wrong(f"{line.text}: keys go on with those of the fact above, each once")
    return replace(
        above, text=f"{above.text} {line.text}", values={**above.values, **values}, label=label or above.label
    )


def _values(given: str) -> tuple[dict[str, str], str | None]:
    values: dict[str, str] = {}
    label = None
    try:
        words = shlex.split(given)
    except ValueError:
        raise Wrong("a quotation mark is not closed") from None
    for word in words:
        key, equals, value = word.partition("=")
        if word.startswith("#"):
            label = word[1:]
        elif not equals or not key:
            raise Wrong(f"{word!r}: a key is written key=value, a value with spaces in quotation marks")
        elif key in values:
            raise Wrong(f"{key} stands there twice")
        else:
            values[key] = value
    return values, label


def differences(expectation: Expectation, came: Sequence[Row]) -> list[Difference]:
    """Where what came is not what was expected; empty: met."""
    rows = [row for row in came if not expectation.ignores(row.kind)]
    matcher = SequenceMatcher(
        None, [one.kind for one in expectation.wanted], [row.kind for row in rows], False
    )
    pairs: list[tuple[Wanted | None, Row | None]] = []
    for what, a, b, c, d in matcher.get_opcodes():
        wanted, found = list(expectation.wanted[a:b]), list(rows[c:d])
        if what == "equal":
            pairs += list(zip(wanted, found, strict=True))
        else:
            pairs += [(one, None) for one in wanted] + [(None, row) for row in found]
    ids = {f"#{one.label}": row.id for one, row in pairs if one and one.label and isinstance(row, Recorded)}
    found_differences = []
    for one, row in pairs:
        why = "; ".join(_why(one, row, ids))
        if why:
            at_ms = one.at_ms if one else row.at_ms if row else None
            found_differences.append(
                Difference(one.text if one else "", shown(row) if row else "", why, at_ms)
            )
    return found_differences


def shown(row: Row) -> str:
    """A row as it stands in the table."""
    if isinstance(row, Alerted):
        return f"{row.kind} {row.message}"
    if isinstance(row, Answered):
        return f"{row.station} {SIGNS[row.result]} {row.message}"
    return f"{row.station or ''} {row.kind} {row.shown}".strip()


def _why(wanted: Wanted | None, row: Row | None, ids: Mapping[str, str]) -> Iterator[str]:
    if wanted is None or row is None:
        yield "did not come" if row is None else "was not expected"
        return
    if wanted.at_ms != row.at_ms:
        yield f"came {_apart(row.at_ms - wanted.at_ms)}"
    if wanted.station is not None and wanted.station != row.station:
        yield f"came at {row.station}"
    if isinstance(row, Answered | Alerted):
        if not _fits(wanted.message, row.message):
            yield "another message" if isinstance(row, Answered) else f"came for {row.key}"
        return
    for key, value in wanted.values.items():
        found = row.values.get(key, "none")
        if not _equal(ids.get(value, value), found):
            yield f"{key} is {found}, not {value}"


def _fits(wanted: str, message: str) -> bool:
    if wanted.endswith(" ..."):
        return message.startswith(wanted[:-4])
    return wanted in ("", message)


def _equal(wanted: str, found: str) -> bool:
    numbers = _NUMBER.fullmatch(wanted) and _NUMBER.fullmatch(found)
    return Decimal(wanted) == Decimal(found) if numbers else wanted == found


def _apart(ms: int) -> str:
    return f"{abs(ms) / 1000:g} s {'later' if ms > 0 else 'earlier'}"


def totals_differ(wanted: WantedSums, came: Sums) -> list[Difference]:
    """Sums that are not what was expected."""
    found = []
    keys = wanted.sums.keys() | {key for key in came if key.kind not in wanted.ignored}
    for key in sorted(keys):
        one, other = wanted.sums.get(key), came.get(key)
        if one != other:
            why = (
                "did not come"
                if other is None
                else "was not expected"
                if one is None
                else f"{text(other - one)} off"
            )
            found.append(Difference(_total(key, one), _total(key, other), why))
    return found


def _total(key: Key, quantity: Decimal | None) -> str:
    if quantity is None:
        return ""
    unit = "" if key.unit == NONE else f" {key.unit}"
    return f"{key.date} {key.job} {key.what} {key.kind} {text(quantity)}{unit}"
