"""What came of a script as rows that expectations name: answers, facts with flat keys, alerts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from edge.events import Event, Fact, Resources, WorkReported
from edge.replay.play import Happened, Played

# What every fact says anyway; an expectation may name it all the same.
_EVERYWHERE = frozenset(Fact.__struct_fields__)
UNKNOWN = "unknown"  # null: nobody knows the figure


@dataclass(frozen=True)
class Answered:
    """A person was told something."""

    at_ms: int
    station: str
    result: str
    message: str
    given: str  # the input it answers; empty where time passed

    @property
    def kind(self) -> str:
        return self.result


@dataclass(frozen=True)
class Recorded:
    """A fact."""

    at_ms: int
    station: str | None
    kind: str  # the type without prefix and version
    id: str
    values: Mapping[str, str]
    given: str = ""
    shown: str = field(default="", compare=False)


@dataclass(frozen=True)
class Alerted:
    """An alert was raised or cleared."""

    at_ms: int
    kind: str  # RAISED or CLEARED
    key: str
    text: str
    given: str = ""
    station: None = None  # its text names the place

    @property
    def message(self) -> str:
        """As an expectation names it."""
        return f"{self.key} {self.text}"


RAISED, CLEARED = "alert raised", "alert cleared"
Row = Answered | Recorded | Alerted


def rows(played: Played) -> list[Row]:
    """All answers, facts and alerts in order, an answer before the facts it led to, alerts last."""
    return [row for happened in played.happened for row in of(happened)]


def of(happened: Happened) -> Iterator[Row]:
    """What came of one input."""
    for came in happened.came:
        if came.said is not None and came.station is not None:
            yield Answered(
                happened.at_ms, came.station, came.said.result, came.said.message.en, happened.text
            )
        for event in came.facts:
            yield recorded(happened, event)
    for alert in happened.alerts:
        kind = RAISED if alert.cleared_ms is None else CLEARED
        yield Alerted(happened.at_ms, kind, alert.key, alert.text, happened.text)


def recorded(happened: Happened, event: Event) -> Recorded:
    """A fact as a row."""
    values = flat(event)
    kind = event.type.removeprefix("lineside.").removesuffix(".v1")
    shown = " ".join(f"{key}={_quoted(value)}" for key, value in values.items() if _tells(key, values))
    job = f"{event.data.work_order}/{event.data.operation} " if event.data.work_order else ""
    return Recorded(happened.at_ms, event.data.station, kind, event.id, values, happened.text, job + shown)


def _tells(key: str, values: Mapping[str, str]) -> bool:
    """Whether a key says something that the table does not say already."""
    if key in _EVERYWHERE or key == "time" or key.startswith(("outputs.", "interval.", "basis.", "refs.")):
        return False
    person, _, phase = key.rpartition(".")
    return not (phase in ("run", "setup") and values.get(person) == values[key])


def flat(event: Event) -> dict[str, str]:
    """The keys of a fact: those of `data`, dots between, lists counted from 1; and short ones for reports.

    `good`, `scrap`, …: the main product's sum; `setup_s`, `machine_s`, `energy_kwh`; `labour.1042`, and by
    phase `labour.1042.run`; `basis.machine_s`. A figure that is null is `unknown`.
    """
    data = event.data
    built: dict[str, Any] = msgspec.to_builtins(data, builtin_types=(Decimal,))
    built.pop("resources", None)
    values = dict(_flattened("", built)) | {"time": event.time}
    if isinstance(data, WorkReported):
        values |= _outputs(data)
        if data.resources is not None:
            values |= _resources(data.resources)
    return values


def _flattened(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flattened(f"{prefix}.{key}" if prefix else key, one)
    elif isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        yield prefix, ",".join(value)
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value, 1):
            yield from _flattened(f"{prefix}.{number}", one)
    else:
        yield prefix, text(value)


def text(value: Any) -> str:
    """A value as it is written in an expectation."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        plain = format(value, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return str(value)


def _outputs(data: WorkReported) -> dict[str, str]:
    sums: dict[str, Decimal] = {}
    for one in data.outputs:
        if one.role == "main":
            sums[one.disposition] = sums.get(one.disposition, Decimal(0)) + one.quantity
    values = {name: text(value) for name, value in sums.items()}
    for one in data.outputs:
        given = {"reason": one.reason, "cause": one.cause}
        values |= {name: value for name, value in given.items() if value is not None}
    return values


def _resources(used: Resources) -> dict[str, str]:
    figures = {"setup_s": used.setup_s, "machine_s": used.machine_s, "energy_kwh": used.energy_kwh}
    values = {name: text(value) for name, value in figures.items() if value is not UNSET}
    if used.labour is None:
        values["labour"] = UNKNOWN
    elif used.labour is not UNSET:
        sums: dict[str, Decimal] = {}
        for share in used.labour:
            for key in (f"labour.{share.operator}", f"labour.{share.operator}.{share.phase}"):
                sums[key] = sums.get(key, Decimal(0)) + share.s
        values |= {key: text(value) for key, value in sums.items()}
    if used.other is not UNSET:
        values |= {f"other.{one.activity}": text(one.quantity) for one in used.other}
    if used.basis is not UNSET:
        values |= {f"basis.{name}": how for name, how in used.basis.items()}
    return values


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value or not value else value
