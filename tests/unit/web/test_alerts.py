"""The alerts of collect over HTTP: all that stand, whatever the disk takes."""

import aiohttp

from sync.status import load_alerts
from tests.unit.web.rig import Rig


async def test_an_alert_that_a_full_disk_does_not_take_is_told_all_the_same(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    await rig.fill_disk()
    alerts = rig.collector.alerts
    written = 0
    while not alerts._unwritten:  # the last pages hold a few
        written += 1
        await alerts.stand(f"storage.{written}", "The disk is full. " * 50, "Free space")
    async with client.get("/api/v1/alerts") as response:
        told = (await response.json())["alerts"]
    assert [one["key"] for one in told] == [f"storage.{number + 1}" for number in range(written)]
    assert f"storage.{written}" not in {one.key for one in load_alerts(rig.journal.path)}
    assert told[-1].keys() == {"key", "text", "hint", "since"}
