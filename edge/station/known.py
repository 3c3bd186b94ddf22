"""What facts say that later scans are checked by: pieces by operation, and what was drawn from a lot.

Each function takes a fact once, or with `sign=-1` back again.
"""

from decimal import Decimal

from msgspec.structs import replace

from edge.events import MaterialConsumed, WorkReported
from edge.station.state import ZERO, Drawn, JobKey, Made, Station

_KEPT = 256  # jobs, and lots, that a station remembers


def made(station: Station, fact: WorkReported, sign: int = 1) -> Station:
    """The station with a report's good pieces."""
    outputs = (one for one in fact.outputs if one.role == "main")
    good = sum((one.quantity for one in outputs if one.disposition in ("good", "concession")), ZERO)
    return turned(station, (fact.work_order or "", fact.operation or ""), sign * good)


def turned(station: Station, key: JobKey, good: Decimal) -> Station:
    """The station with pieces of a job that are good now, or no more."""
    if not good:
        return station
    before = next((one.good for one in station.made if one.job == key), ZERO)
    others = tuple(one for one in station.made if one.job != key)
    return replace(station, made=(*others, Made(key, before + good))[-_KEPT:])


def drawn(station: Station, fact: MaterialConsumed, sign: int = 1) -> Station:
    """The station with what was taken from a lot, counted anew since the ERP last said what is left of it."""
    if fact.lot is None or fact.lot_quantity is None:
        return station
    place = fact.material, fact.lot
    held = next((one for one in station.drawn if (one.material, one.lot) == place), None)
    since = held is not None and held.left == fact.lot_quantity
    if sign < 0 and not since:
        return station  # what it was counted in is counted anew already
    before: Decimal = held.quantity if held is not None and since else ZERO
    others = tuple(one for one in station.drawn if (one.material, one.lot) != place)
    after = Drawn(*place, fact.lot_quantity, before + sign * fact.quantity)
    return replace(station, drawn=(*others, after)[-_KEPT:])
