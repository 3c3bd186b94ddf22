"""The alert of a forgotten sign-off stands until the badge is scanned, or the person is signed off."""

import asyncio

import pytest
from msgspec.structs import replace

from edge import presence
from edge.settings import Crew
from tests.unit.station.watched import Watched


@pytest.mark.parametrize("answer", ["LSE1042", "LSCOUT,LSE1042"])
def test_an_alert_names_who_forgot_to_sign_off_until_they_are_heard_of(answer: str) -> None:
    line = Watched(counters={}, signals={})
    line.site = replace(line.site, crew=Crew(confirm_after_h=2))
    line.scan("LSE1042", "LSW100")
    line.wait(7190)
    asyncio.run(presence.watch(line.alerts, line.line))
    assert line.standing == []
    line.wait(20)
    asyncio.run(presence.watch(line.alerts, line.line))
    asyncio.run(presence.watch(line.alerts, line.line))
    assert line.standing == ["crew.1042.unconfirmed"]
    assert "OP20" in line.alerts.standing["crew.1042.unconfirmed"].text
    line.scan(*answer.split(","))
    asyncio.run(presence.watch(line.alerts, line.line))
    assert line.standing == []
