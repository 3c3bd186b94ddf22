"""Alerts for devices that stay lost: raised after the device's `alert_after_s`, cleared when it is back.

A loss is logged when it happens; somebody must come only when it lasts. A device that never said anything
counts as lost since the start. An alert that stood before a restart stands until the device answers, or is no
longer configured.
"""

import asyncio
from collections.abc import Mapping

from edge.alerts import Alerts
from edge.ports import Clock
from edge.readings import Link, Moment
from edge.settings import DeviceSettings

LOOK_S = 1.0
_KEY = "device."


class Absences:
    """Looks at the links of all configured devices. `links` is the collector's and lives."""

    def __init__(
        self, devices: Mapping[str, DeviceSettings], links: Mapping[str, Link], alerts: Alerts, clock: Clock
    ) -> None:
        self._devices = devices
        self._links = links
        self._alerts = alerts
        self._clock = clock
        self._begun = clock.now()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Raise and clear what is due."""
        now = self._clock.now()
        for name, device in self._devices.items():
            link = self._links.get(name)
            if (link is not None and link.up) or not device.alert_after_s:
                await self._alerts.clear(_KEY + name)
            elif now.since(link.at if link else self._begun) >= device.alert_after_s * 1000:
                await self._raise(name, device, link, now)
        for key in [key for key in self._alerts.standing if key.startswith(_KEY)]:
            if key.removeprefix(_KEY) not in self._devices:
                await self._alerts.clear(key)

    async def _raise(self, name: str, device: DeviceSettings, link: Link | None, now: Moment) -> None:
        lost_s = now.since(link.at if link else self._begun) // 1000
        detail = link.detail if link else "it has not said anything since the start"
        hint = (link.hint if link else "") or "Check its power, its cable and its address"
        where = f" at {device.place}" if device.place and device.place not in detail else ""
        text = f"{name}{where} has not answered for {_worded(lost_s)}: {detail}"
        await self._alerts.stand(_KEY + name, text, hint)


def _worded(lasting_s: int) -> str:
    return f"{lasting_s} s" if lasting_s < 120 else f"{lasting_s // 60} min"
