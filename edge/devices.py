"""Alerts for devices that stay lost, and for those that come and go.

- `device.<name>`: lost for the device's `alert_after_s`; cleared when it is back. A loss is logged when it
  happens; somebody must come only when it lasts. A device that never said anything counts as lost since the
  start. A loss of which a better reason comes to light is no further loss; its alert is raised anew with it.
- `device.<name>.flapping`: lost `FLAPS` times within `FLAPPING_S`, however short each loss was; cleared when
  it has answered for `FLAPPING_S` without a loss. A loose plug costs scans long before it gives up.

An alert that stood before a restart stands until its condition to clear is met, or the device is no longer
configured. With `alert_after_s = 0` a device has neither.
"""

import asyncio
from collections import deque
from collections.abc import Mapping

from edge.alerts import Alerts
from edge.ports import Clock
from edge.readings import Link, Moment
from edge.settings import DeviceSettings

LOOK_S = 1.0
FLAPS = 5
FLAPPING_S = 600
_KEY = "device."
_FLAPPING = ".flapping"


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
        self._seen: dict[str, Link] = {}  # each device's link at the last look
        self._losses: dict[str, deque[Moment]] = {name: deque(maxlen=FLAPS) for name in devices}

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
            await self._note(name, link)
            if not device.alert_after_s:
                await self._alerts.clear(_KEY + name)
                await self._alerts.clear(_KEY + name + _FLAPPING)
                continue
            await self._absence(name, device, link, now)
            await self._flapping(name, device, link, now)
        for key in [key for key in self._alerts.standing if key.startswith(_KEY)]:
            if key.removeprefix(_KEY).removesuffix(_FLAPPING) not in self._devices:
                await self._alerts.clear(key)

    async def _note(self, name: str, link: Link | None) -> None:
        """Note a loss since the last look; several within it are one."""
        before = self._seen.get(name)
        if link is None or link is before:
            return
        self._seen[name] = link
        if before is not None and not before.up and not link.up and link.at == before.at:
            await self._alerts.clear(_KEY + name)  # raised anew with the better reason
            return
        # Links tell changes: up again after up means that it was lost in between.
        if before is not None and (before.up or not link.up):
            self._losses[name].append(link.at)

    async def _absence(self, name: str, device: DeviceSettings, link: Link | None, now: Moment) -> None:
        if link is not None and link.up:
            await self._alerts.clear(_KEY + name)
            return
        lost_s = now.since(link.at if link else self._begun) / 1000
        if lost_s < device.alert_after_s:
            return
        detail = link.detail if link else "it has not said anything since the start"
        hint = (link.hint if link else "") or "Check its power, its cable and its address"
        text = f"{_placed(name, device, detail)} has not answered for {_worded(int(lost_s))}: {detail}"
        await self._alerts.stand(_KEY + name, text, hint)

    async def _flapping(self, name: str, device: DeviceSettings, link: Link | None, now: Moment) -> None:
        key, losses = _KEY + name + _FLAPPING, self._losses[name]
        if link is not None and link.up:
            steady = max((link.at, self._begun), key=lambda moment: moment.monotonic_ms)
            if now.since(steady) >= FLAPPING_S * 1000:
                await self._alerts.clear(key)
        if len(losses) == FLAPS and now.since(losses[0]) < FLAPPING_S * 1000:
            within = _worded(now.since(losses[0]) // 1000)
            text = f"{_placed(name, device)} comes and goes: lost {FLAPS} times within {within}"
            await self._alerts.stand(key, text, _hint(link))


def _placed(name: str, device: DeviceSettings, detail: str = "") -> str:
    """A device and where it is, unless `detail` says so."""
    return f"{name} at {device.place}" if device.place and device.place not in detail else name


def _hint(link: Link | None) -> str:
    loose = (
        "Look for a loose plug, a damaged cable, a weak supply; on a network also for an address used twice"
    )
    return f"{loose}. Last: {link.detail}" if link is not None and not link.up else loose


def _worded(lasting_s: int) -> str:
    return f"{lasting_s} s" if lasting_s < 120 else f"{lasting_s // 60} min"
