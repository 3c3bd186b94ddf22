"""What is checked of a scan before it is recorded (docs/checks.md)."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from edge.settings.parts import Part

Level = Literal["off", "warn", "confirm", "block"]
Tolerance = Annotated[Decimal, Field(ge=0, le=100)]


class StationChecks(Part):
    """What of `checks` is different at a station; what is not given is as the site has it."""

    order_elsewhere: Level | None = None
    order_status: Level | None = None
    sequence: Level | None = None
    ahead: Level | None = None
    material: Level | None = None
    lot_unknown: Level | None = None
    lot_status: Level | None = None
    lot_expired: Level | None = None
    lot_consumed: Level | None = None
    missing_lot: Level | None = None
    usage: Level | None = None
    usage_tolerance: Tolerance | None = None
    output: Level | None = None
    output_tolerance: Tolerance | None = None
    time: Level | None = None
    time_tolerance: Tolerance | None = None
    qualification: Level | None = None
    rework: Level | None = None
    serial: Level | None = None


class Checks(StationChecks):
    """What is checked (docs/checks.md): `off`: not at all; `warn`: recorded, and said; `confirm`: only with
    OK; `block`: refused. Tolerances are shares of the standard: 0.1 is a tenth more.

    `unknown_order`: an order that the master data does not know is refused, or begins provisionally, with
    product and unit unknown until it is delivered.
    """

    unknown_order: Literal["block", "provisional"] = "block"
    order_elsewhere: Level = "block"  # of another work center
    order_status: Level = "block"  # held or closed
    sequence: Level = "warn"  # the operation before has reported nothing
    ahead: Level = "warn"  # more pieces than the operation before reported
    material: Level = "block"  # not on the operation's BOM
    lot_unknown: Level = "block"
    lot_status: Level = "block"  # blocked or in quarantine
    lot_expired: Level = "block"
    lot_consumed: Level = "warn"  # more than is left of the lot
    missing_lot: Level = "warn"  # completion without a lot that the BOM asks for
    usage: Level = "warn"  # more of a material than the BOM asks for the whole order
    usage_tolerance: Tolerance = Decimal("0.1")
    output: Level = "off"  # more pieces than planned: completion says so anyway
    output_tolerance: Tolerance = Decimal("0.1")
    time: Level = "off"  # more time than the standard
    time_tolerance: Tolerance = Decimal("0.5")
    qualification: Level = "warn"  # a person without the work center's
    rework: Level = "block"  # more pieces reworked than were set aside
    serial: Level = "block"  # a serial number that the operation has reported already

    def at(self, station: StationChecks) -> "Checks":
        """The checks as they are at a station."""
        own = {
            key: value for key in StationChecks.model_fields if (value := getattr(station, key)) is not None
        }
        return self.model_copy(update=own) if own else self
