"""The rules of a site: who it is, its shifts and people, its own codes, what is done by whom."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from edge.codes.automaton import Automaton
from edge.codes.patterns import PatternError
from edge.codes.rules import Rule
from edge.settings.parts import Name, Part, TimeOfDay, printable_path


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            "is no time zone; allowed: IANA names such as Asia/Shanghai or Europe/Berlin"
        ) from None
    return value


class Edge(Part):
    """Who this collector is. site and id are part of every event's source: changing them starts an epoch."""

    id: Name
    enterprise: Name = "enterprise"
    site: Name
    area: Name = "area"
    line: Name
    timezone: Annotated[str, AfterValidator(_zone)]
    language: Literal["en", "zh-CN"] = "en"
    data_dir: Annotated[Path, AfterValidator(printable_path)] = Path("/var/lib/lineside")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Pause(Part):
    """Whether time goes on while paused for this reason."""

    labour: bool = False
    machine: bool = False


class Break(Part):
    """A break of everybody in the shift: people's time goes into no job; paid or not."""

    start: TimeOfDay
    end: TimeOfDay
    paid: bool = False


class Shift(Part):
    """A shift; one whose start equals its end lasts 24 h."""

    name: Name
    start: TimeOfDay
    end: TimeOfDay
    breaks: tuple[Break, ...] = ()


class Crew(Part):
    """People at the stations. Whoever is signed on for `confirm_after_h` (0: never asked) is asked for their
    badge again: until it is scanned their time is no job's.
    """

    confirm_after_h: Annotated[float, Field(ge=0, le=168, allow_inf_nan=False)] = 14


class OwnCode(Part):
    """A code of the site's own (docs/grammar.md). `pattern` stands for the whole code, its groups for values.

    `scanners`: where it holds; none: everywhere, `page` for what is typed. `command`: what it stands for, as
    behind LSC, such as "DONE" or "PAUSE21". `unit` (UN/ECE Rec 20) and `decimals` belong to its quantity:
    with 2, `125` is 1.25.
    """

    name: Name
    pattern: Annotated[str, Field(min_length=1, max_length=500)]
    scanners: tuple[str, ...] = ()
    command: Annotated[str, Field(pattern=r"^[A-Z0-9._-]{1,40}$")] | None = None
    unit: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,3}$")] | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] = 0

    @model_validator(mode="after")
    def _sound(self) -> "OwnCode":
        try:
            _ = self.rule
        except PatternError as error:
            raise ValueError(f"pattern {self.pattern!r}: {error}") from error
        return self

    @cached_property
    def rule(self) -> Rule:
        """The same as it reads."""
        pattern = Automaton(self.pattern)
        return Rule(self.name, pattern, self.scanners, self.command, self.unit, self.decimals)


class Posting(Part):
    """Which date a fact is posted on: the day the shift began, or the calendar day."""

    date: Literal["production", "calendar"] = "production"


class Review(Part):
    """Which of the ERP's roles may settle what waits for a person, enter later what nobody recorded, and
    grant a concession. Whoever may by roles of `four_eyes` alone needs a second person's badge. An entry lies
    at most `make_up_days` back; time without an order is listed from `unassigned_s` on.
    """

    settle: tuple[Name, ...] = ("shift_leader",)
    make_up: tuple[Name, ...] = ("operator", "shift_leader")
    concession: tuple[Name, ...] = ("quality",)
    four_eyes: tuple[Name, ...] = ("operator",)
    make_up_days: Annotated[int, Field(ge=1, le=366)] = 31
    unassigned_s: Annotated[int, Field(ge=900, le=86400)] = 1800


class Consumption(Part):
    """How backflushed material is rounded: decimal places by unit of measure (UN/ECE Rec 20), six where a
    unit is not named. What is rounded is the sum over an order's reports.
    """

    decimals: dict[Annotated[str, Field(pattern=r"^[A-Z0-9]{1,3}$")], Annotated[int, Field(ge=0, le=6)]] = (
        Field({})
    )


class Reminders(Part):
    """What people are reminded of, each after so many minutes (0: never). A report is overdue when the
    ordered quantity is made, a shift ended, or `report_over_percent` more time than the standard of all that
    is left went by; material, when what is mounted lasts less than `material_ahead_min` by the standard.
    """

    report_after_min: Annotated[int, Field(ge=0, le=1440)] = 15
    report_over_percent: Annotated[int, Field(ge=0, le=1000)] = 20
    no_operator_after_min: Annotated[int, Field(ge=0, le=1440)] = 15
    no_job_after_min: Annotated[int, Field(ge=0, le=1440)] = 5
    no_counts_after_min: Annotated[int, Field(ge=0, le=1440)] = 20
    material_ahead_min: Annotated[int, Field(ge=0, le=1440)] = 30
