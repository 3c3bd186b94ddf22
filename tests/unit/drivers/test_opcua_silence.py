"""Time and the OPC UA driver, on a loop with its own clock: silence, wrong numbers, keys, later nodes."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from drivers.opcua.driver import OpcUaDriver
from tests.contract.observing import Recorder, TestClock, cancelled
from tests.unit.drivers.opcua_memory import Script
from tests.unit.drivers.test_opcua_fuzz import HELD, SETTINGS
from tests.virtualtime import run

COUNT = "t3"


class Moody(Script):
    """A script with moods."""

    def __init__(self) -> None:
        super().__init__(lambda frame: b"" if self.silent else frame, lambda node, count: HELD[node](count))
        self.silent = False
        self.skip = 0  # the number of the next message is so much too high
        self.absent = {-1}
        self.life_ms = 0
        self.renewed = 0

    def _PublishRequest(self, request: Any) -> Any:
        response = super()._PublishRequest(request)
        response.Parameters.NotificationMessage.SequenceNumber += self.skip
        self.skip = 0
        return response

    def _CreateMonitoredItemsRequest(self, request: Any) -> Any:
        response = super()._CreateMonitoredItemsRequest(request)
        for (_, node), result in zip(self._items, response.Results, strict=True):
            if node in self.absent:
                result.StatusCode = ua.StatusCode(ua.UInt32(StatusCodes.BadNodeIdUnknown))
        self._serving |= {handle: node for handle, node in self._items if node not in self.absent}
        self._items = list(self._serving.items())
        return response

    def _CreateSubscriptionRequest(self, request: Any) -> Any:
        self._serving: dict[int, int] = {}
        return super()._CreateSubscriptionRequest(request)

    def _OpenSecureChannelRequest(self, request: Any) -> Any:
        self.renewed += request.Parameters.RequestType == ua.SecurityTokenRequestType.Renew
        response = super()._OpenSecureChannelRequest(request)
        if self.life_ms:
            response.Parameters.SecurityToken.RevisedLifetime = self.life_ms
        return response


def served(script: Moody, steps: Any) -> Recorder:
    """What is told while a driver is served and `steps` run."""
    told = Recorder()

    async def main() -> None:
        await script.listen()
        task = asyncio.create_task(OpcUaDriver("oven", SETTINGS, TestClock()).run(told))
        doing: Coroutine[Any, Any, None] = steps(told)
        await doing
        await cancelled(task)

    run(main())
    return told


class Empty(Script):
    """Each kind of answer comes once with a null array in place of what was asked for."""

    def __init__(self) -> None:
        super().__init__(lambda frame: frame, lambda node, count: HELD[node](count))
        self.left = {"Read", "CreateMonitoredItems", "Publish"}

    def _nothing(self, kind: str) -> bool:
        first = kind in self.left
        self.left.discard(kind)
        return first

    def _ReadRequest(self, request: Any) -> Any:
        response = super()._ReadRequest(request)
        if self._nothing("Read"):
            response.Results = None
        return response

    def _CreateMonitoredItemsRequest(self, request: Any) -> Any:
        response = super()._CreateMonitoredItemsRequest(request)
        if self._nothing("CreateMonitoredItems"):
            response.Results = None
        return response

    def _PublishRequest(self, request: Any) -> Any:
        response = super()._PublishRequest(request)
        if self._nothing("Publish"):
            (change,) = response.Parameters.NotificationMessage.NotificationData
            change.MonitoredItems = None
        return response


def test_an_array_that_is_null_where_results_belong_is_a_loss_and_no_crash() -> None:
    script = Empty()
    told = Recorder()

    async def main() -> None:
        await script.listen()
        task = asyncio.create_task(OpcUaDriver("oven", SETTINGS, TestClock()).run(told))
        await asyncio.sleep(60)
        assert not task.done(), task.exception()
        await cancelled(task)

    run(main())
    assert not script.left
    assert told.links[-1].up and told.values[COUNT] == script.count - 1  # the last one is under way
    assert "0 results came, and 3 were asked for" in told.links[0].detail


def test_a_server_that_keeps_the_connection_and_says_nothing_is_told_lost() -> None:
    script = Moody()

    async def steps(told: Recorder) -> None:
        await asyncio.sleep(5)
        script.silent = True
        await asyncio.sleep(
            11
        )  # ten keep-alives of 0.5 s by one half more, and the time of an answer: 11.5 s
        assert told.ups == [True]
        await asyncio.sleep(2)
        assert told.ups == [True, False] and "silent for 11.5 s" in told.links[1].detail
        assert set(told.values.values()) == {None}
        script.silent = False
        await asyncio.sleep(60)
        assert told.ups == [True, False, True]

    served(script, steps)


def test_a_wrong_message_number_costs_a_connection_and_not_all_that_follows() -> None:
    for skip in (2, 2**31, -2):
        script = Moody()

        async def steps(told: Recorder, script: Moody = script, skip: int = skip) -> None:
            await asyncio.sleep(5)
            script.skip = skip
            await asyncio.sleep(10)
            assert told.values[COUNT] == script.count - 1  # one is under way
            assert told.ups == [True, False, True]

        served(script, steps)


def test_a_node_that_appears_later_is_found_without_a_new_connection() -> None:
    script = Moody()
    script.absent = {3}

    async def steps(told: Recorder) -> None:
        await asyncio.sleep(40)
        assert told.values[COUNT] is None and told.values["t1"] is not None
        script.absent = {-1}
        await asyncio.sleep(35)
        assert told.values[COUNT] == script.count - 1  # one is under way
        assert told.ups == [True]

    served(script, steps)


def test_values_go_on_while_the_channels_keys_are_renewed() -> None:
    script = Moody()
    script.life_ms = 10_000

    async def steps(told: Recorder) -> None:
        await asyncio.sleep(60)
        assert script.renewed == 7  # at three quarters of 10 s, with the publishing next to it
        counts = [one.value for batch in told.batches for one in batch if one.tag == COUNT]
        assert counts == list(range(1, script.count)) and told.ups == [True]

    served(script, steps)
