"""Who is signed on and may not be here: for too long, or at a station that is no longer configured."""

from edge.alerts import Alerts
from edge.events import Draft, OperatorSignedOff, seconds
from edge.ids import new_id
from edge.readings import Moment
from edge.station.state import Line
from edge.station.work import Site
from edge.wallclock import dates

_PREFIX, _SUFFIX = "crew.", ".unconfirmed"


async def watch(alerts: Alerts, line: Line) -> None:
    """Raise the alert of everybody whose badge is asked for, and clear it once they scanned it or left."""
    doubted = {f"{_PREFIX}{name}{_SUFFIX}": name for name, person in line.people.items() if person.doubted}
    for key, operator in doubted.items():
        places = [name for name, station in line.stations.items() if operator in station.crew]
        await alerts.stand(
            key,
            f"{operator} is signed on at {', '.join(places)} for too long: did they forget to sign off?",
            "Whoever is still there scans the badge again; else LSCOUT and the badge. Until then the time is"
            " recorded as unconfirmed, and goes into no order",
        )
    for key in [key for key in alerts.standing if key.startswith(_PREFIX) and key.endswith(_SUFFIX)]:
        if key not in doubted:
            await alerts.clear(key)


def retired(site: Site, line: Line, now: Moment) -> list[Draft]:
    """Sign off whoever stands at a station that is no longer configured: nobody can do it there."""
    left = [(name, one) for name, station in line.stations.items() for one in station.crew]
    gone = [(name, one) for name, one in left if name not in site.stations]
    return [Draft(new_id(now.wall_ms), now.wall_ms, _left(site, name, one, now)) for name, one in gone]


def _left(site: Site, station: str, operator: str, now: Moment) -> OperatorSignedOff:
    day = dates(site.calendar, now)
    return OperatorSignedOff(
        station=station,
        operator=operator,
        origin="signal",
        posting_date=day.posting_date,
        production_date=day.production_date,
        shift=day.shift,
        clock=now.clock,
        boot_id=now.boot_id,
        monotonic_s=seconds(now.monotonic_ms),
        utc_offset=day.utc_offset,
    )
