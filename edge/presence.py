"""The alert that somebody is signed on for so long that nobody knows whether they are here."""

from edge.alerts import Alerts
from edge.station.state import Line

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
