"""A subscription: which values the server tells of by itself, and that none of its messages is missed.

Invariants:
- Messages are taken in the order of their numbers. What a number shows to be missing is asked for again; what
  the server no longer has is counted in `gaps`, never passed over.
- A message is acknowledged after it was taken, so that the server keeps it until then.
- One publish request is under way at a time; the server's queues hold what happens in between.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from drivers.opcua.session import Session
from drivers.opcua.settings import NodeTag, OpcUaSettings
from drivers.opcua.words import Garbled, Refused
from edge.faults import DeviceFault
from edge.readings import Moment

_GONE = (
    StatusCodes.BadSubscriptionIdInvalid,
    StatusCodes.BadNoSubscription,
    StatusCodes.BadSessionIdInvalid,
)
# A server that keeps the subscription with its session has nothing to move; an old one cannot.
_STAYED = (
    StatusCodes.Good,
    StatusCodes.BadNothingToDo,
    StatusCodes.BadServiceUnsupported,
    StatusCodes.BadNotImplemented,
)
_AGAIN = (StatusCodes.BadTimeout, StatusCodes.BadTooManyPublishRequests)
_NOTIFICATIONS = 10_000  # in one message
_MISSING = 1_000  # messages asked for again after one gap; servers keep far fewer
_QUIET_S = 2 * 3600.0  # the longest that a server is heard of for less than; the settings ask for one hour


_HINT = "Check the server's version; all values are asked for anew"


class Subscription:
    """One subscription of a session; it lives as long as the server keeps it."""

    def __init__(self, session: Session, settings: OpcUaSettings, asked: Moment) -> None:
        self._session = session
        self._settings = settings
        self._id = 0
        self._last = 0  # number of the last message taken
        self._told_again = 0  # up to this number the server may send messages a second time
        self._acks: list[ua.SubscriptionAcknowledgement] = []
        self.interval_s = settings.publishing_interval_s
        self.silent_s = 0.0  # a server that says nothing for so long is lost
        self.gaps = 0  # messages that the server no longer had
        # No value still to come was sampled before this.
        self.asked = asked

    async def create(self) -> None:
        """Raises Refused where the server has no subscriptions, or none left."""
        settings = self._settings
        keep_alives = max(1, round(settings.keep_alive_s / settings.publishing_interval_s))
        wanted = ua.CreateSubscriptionParameters()
        wanted.RequestedPublishingInterval = settings.publishing_interval_s * 1000
        wanted.RequestedMaxKeepAliveCount = keep_alives
        wanted.RequestedLifetimeCount = max(
            3 * keep_alives, math.ceil(settings.resume_s / settings.publishing_interval_s)
        )
        wanted.MaxNotificationsPerPublish = _NOTIFICATIONS
        wanted.PublishingEnabled = True
        made = await self._session.call("subscribing", UaSession.create_subscription, wanted, _nobody)
        self._id = made.SubscriptionId
        self.interval_s = made.RevisedPublishingInterval / 1000
        quiet_s = self.interval_s * max(1, made.RevisedMaxKeepAliveCount)
        if not 0 <= quiet_s <= _QUIET_S:
            raise Garbled(
                f"the server wants to be silent for {quiet_s:g} s at a time",
                hint="Check the limits of subscriptions in the server's configuration",
            )
        self.silent_s = quiet_s * 1.5 + settings.timeout_s

    async def monitor(self, items: Mapping[int, tuple[ua.NodeId, NodeTag]], at_once: int) -> dict[int, int]:
        """Ask for these values by handle, so many a request; the status code for each handle."""
        codes: dict[int, int] = {}
        handles = list(items)
        for first in range(0, len(handles), at_once):
            part = handles[first : first + at_once]
            wanted = ua.CreateMonitoredItemsParameters()
            wanted.SubscriptionId = ua.IntegerId(self._id)
            wanted.TimestampsToReturn = ua.TimestampsToReturn.Source
            wanted.ItemsToCreate = [self._item(handle, *items[handle]) for handle in part]
            create = UaSession.create_monitored_items
            results = await self._session.results("subscribing to values", len(part), create, wanted)
            codes |= {handle: result.StatusCode.value for handle, result in zip(part, results, strict=True)}
        return codes

    def _item(self, handle: int, node: ua.NodeId, tag: NodeTag) -> ua.MonitoredItemCreateRequest:
        item = ua.MonitoredItemCreateRequest()
        item.ItemToMonitor.NodeId = node
        item.ItemToMonitor.AttributeId = AttributeIds.Value
        item.MonitoringMode = ua.MonitoringMode.Reporting
        item.RequestedParameters.ClientHandle = ua.IntegerId(handle)
        item.RequestedParameters.SamplingInterval = self._settings.sampling_interval_s * 1000
        item.RequestedParameters.QueueSize = ua.Counter(self._settings.queue_size)
        item.RequestedParameters.DiscardOldest = True
        if tag.deadband is not None:
            deadband = ua.DataChangeFilter()
            deadband.Trigger = ua.DataChangeTrigger.StatusValue
            deadband.DeadbandType = ua.UInt32(ua.DeadbandType.Absolute)
            deadband.DeadbandValue = tag.deadband
            item.RequestedParameters.Filter = deadband
        return item

    async def publish(self) -> ua.PublishResult:
        """What the server says next; nothing but a sign of life counts too. Raises DeviceFault."""
        while True:
            acks, self._acks = self._acks, []
            try:
                answer = await self._session.call("publishing", UaSession.publish, acks)
            except Refused as refusal:
                if refusal.code not in _AGAIN:
                    raise
                await asyncio.sleep(self.interval_s)
                continue
            if answer.Parameters.SubscriptionId == self._id:
                found: ua.PublishResult = answer.Parameters
                return found

    async def in_order(self, message: ua.NotificationMessage) -> list[ua.NotificationMessage]:
        """The message behind those that are missing before it; empty if it was taken before a loss.

        Raises Garbled where the number cannot be: what follows on a wrong one would be taken for old.
        """
        number = message.SequenceNumber
        news = bool(message.NotificationData)
        if number == 0 and ended(message) is not None:
            return [message]
        if number <= self._last:
            if news and number > self._told_again:
                raise Garbled(f"message {number} came after {self._last}", hint=_HINT)
            return []
        if number > self._last + _MISSING:
            raise Garbled(f"message {number} came after {self._last}", hint=_HINT)
        found = await self._again(number) if number > self._last + 1 else []
        return [*found, message] if news else found

    def taken(self, message: ua.NotificationMessage) -> None:
        """The message is told: the server may forget it."""
        number = message.SequenceNumber
        self._last = max(self._last, number)
        self._acks.append(ua.SubscriptionAcknowledgement(ua.IntegerId(self._id), ua.Counter(number)))

    async def resume(self) -> list[ua.NotificationMessage] | None:
        """After the connection was lost: the messages that were lost with it; None if the server let go."""
        moved = ua.TransferSubscriptionsParameters()
        moved.SubscriptionIds = [ua.IntegerId(self._id)]
        moved.SendInitialValues = False
        try:
            results = await self._session.call(
                "resuming the subscription", UaSession.transfer_subscriptions, moved
            )
            code = results[0].StatusCode.value if results else StatusCodes.BadSubscriptionIdInvalid
            kept: Sequence[int] = results[0].AvailableSequenceNumbers or [] if results else []
        except Refused as refusal:
            code, kept = refusal.code, []
        if code not in _STAYED:
            return None
        self._acks = []
        try:
            found = await self._again(max(kept, default=0) + 1, whole=bool(kept))
            self._told_again = max([self._last, *[message.SequenceNumber for message in found]])
            return found
        except Refused as refusal:
            if refusal.code in _GONE:
                return None
            raise

    async def _again(self, before: int, *, whole: bool = True) -> list[ua.NotificationMessage]:
        """The messages from the last one taken up to `before`; unless `whole`, as many as there are."""
        found: list[ua.NotificationMessage] = []
        number = self._last + 1
        end = before if whole else number + _MISSING
        if end - number > _MISSING:
            self.gaps += end - number - _MISSING
            number = end - _MISSING
        while number < end:
            message = await self._one_again(number)
            if message is not None:
                found.append(message)
            elif whole:
                self.gaps += 1
            else:
                break
            number += 1
        return found

    async def _one_again(self, number: int) -> ua.NotificationMessage | None:
        try:
            message = await self._session.call(
                "asking again for values", UaSession.republish, self._id, number
            )
        except Refused as refusal:
            if refusal.code == StatusCodes.BadMessageNotAvailable:
                return None
            raise
        # Some servers answer with an empty message instead of refusing.
        return message if message.NotificationData else None


def _nobody(result: ua.PublishResult) -> None:
    """asyncua's publish loop would call this; there is none."""


def ended(message: ua.NotificationMessage) -> DeviceFault | None:
    """What a message says of the subscription itself: its end, where that is told."""
    for data in message.NotificationData or ():
        if isinstance(data, ua.StatusChangeNotification) and not data.Status.is_good():
            return Refused("going on with the subscription", data.Status.value)
    return None
