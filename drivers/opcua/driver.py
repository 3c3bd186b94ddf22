"""The driver of one OPC UA server: connect, subscribe, tell what changes, come back after a loss.

Invariants:
- What the server publishes is told in order and in the turn of the loop in which it arrives: there is no
  queue here that could run over.
- What the server kept while the connection was broken is told after it, once.
- A value that `refresh` read is never followed by one that the server sampled before it.
- A lost server gives one Link (down) and each tag once with quality bad, then nothing until it is back.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from drivers.opcua.decoding import OVERFLOW, QUALITIES, Convert, converter, source_ms, unfit
from drivers.opcua.nodes import NO_LIMITS, find, limits, values_of
from drivers.opcua.session import Session
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.subscription import Subscription, ended
from drivers.opcua.words import Garbled, Refusal, Refused, refusal, refuses
from edge.faults import DeviceFault
from edge.ports import Clock, Observer, Verdict
from edge.readings import Link, Moment, Quality, Reading

log = structlog.get_logger()

_BAD = Quality.bad
_VERSION = "Check the server's version; all values are asked for anew"
_RETRY_S = 30.0  # a refused tag is asked for again: a program may be loaded into the PLC later

# A server that refuses a subscription so is polled instead.
_POLLED = (
    StatusCodes.BadServiceUnsupported,
    StatusCodes.BadNotImplemented,
    StatusCodes.BadNotSupported,
    StatusCodes.BadTooManySubscriptions,
    StatusCodes.BadTooManyMonitoredItems,
)
# A node whose value has such a status has none, now or later.
_REFUSING = (
    StatusCodes.BadNodeIdUnknown,
    StatusCodes.BadNodeIdInvalid,
    StatusCodes.BadAttributeIdInvalid,
    StatusCodes.BadNotReadable,
    StatusCodes.BadUserAccessDenied,
)


@dataclass(frozen=True, slots=True)
class _Served:
    """A tag with all that telling its value takes."""

    name: str
    unit: str | None
    convert: Convert


class OpcUaDriver:
    """One server that speaks OPC UA. A tag's handle is its place among the settings' tags."""

    def __init__(self, name: str, settings: OpcUaSettings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._served = [_Served(tag, one.unit, converter(one)) for tag, one in settings.tags.items()]
        self._handles = {one.name: handle for handle, one in enumerate(self._served)}
        self._refused: dict[str, Refusal] = {}
        self._unfit: dict[str, str] = {}
        self._overrun = False
        self._polled = False  # whether that was logged
        self._up: bool | None = None  # None: not known yet
        self._session: Session | None = None  # while it serves
        self._observer: Observer | None = None
        self._nodes: dict[int, ua.NodeId] = {}  # of the tags that the server does not refuse
        self._limits = NO_LIMITS
        self._subscription: Subscription | None = None
        self._owed: set[int] = set()  # told bad at the loss, and not told since
        self._ahead: dict[int, ua.DataValue] = {}  # read by refresh, maybe still to be published
        self._ahead_for = 0  # complete answers until nothing older can come
        self._reason: DeviceFault | None = None  # why a refresh gave the connection up
        self._told = asyncio.Event()  # set once a loss is told

    @property
    def name(self) -> str:
        return self._name

    @property
    def refusals(self) -> Mapping[str, str]:
        """Why the server gives no value of a tag, for each tag of which it gives none now."""
        return {name: one.reason for name, one in self._refused.items()} | self._unfit

    async def run(self, observer: Observer) -> None:
        """Serve the server until cancelled."""
        session = Session(self._name, self._settings)
        self._observer = observer
        pause_s = self._settings.reconnect_min_s
        try:
            while True:
                try:
                    await self._connection(session, observer)
                except DeviceFault as fault:
                    if self._up:
                        pause_s = self._settings.reconnect_min_s
                    if isinstance(fault, Garbled | Refused):
                        session.forget()
                    session.drop()
                    self._lost(observer, self._reason or fault)
                    self._session = self._reason = None
                # After the loss is told, so that who waits finds bad readings, not old good ones.
                self._told.set()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._settings.reconnect_max_s)
        finally:
            self._told.set()
            self._up = self._session = self._observer = self._subscription = None
            self._refused, self._unfit = {}, {}
            await session.leave()

    async def refresh(self) -> None:
        """Read all tags now and emit them; returns at once while the server is lost."""
        session, observer = self._session, self._observer
        if session is None or observer is None:
            return
        told = self._told
        try:
            await self._read(session, observer, list(self._nodes))
        except DeviceFault as fault:
            if self._session is session:
                self._reason = self._reason or fault
                session.drop()
            await told.wait()

    def signal(self, verdict: Verdict) -> None:
        """A server has no one to beep to."""

    # --- one connection

    async def _connection(self, session: Session, observer: Observer) -> None:
        """One connection from its making to its loss, which always raises DeviceFault."""
        self._told = asyncio.Event()
        self._ahead = {}
        resumed = await session.connect()
        messages = await self._subscription.resume() if resumed and self._subscription is not None else None
        if messages is None:
            self._subscription = None
            self._owed = set()
            await self._begin(session, observer)
        else:
            self._owed = set(self._nodes)
        self._session = session
        if self._subscription is None:
            await self._polling(session, observer)
            return
        self._standing(observer)
        for message in messages or ():
            self._take(message, observer)
        await self._publishing(session, self._subscription, observer)

    async def _begin(self, session: Session, observer: Observer) -> None:
        """Find the nodes and subscribe; without a subscription where the server has none to give."""
        self._nodes = {}
        self._limits = await limits(session)
        subscription = Subscription(session, self._settings, self._clock.now())
        try:
            await subscription.create()
            self._subscription = subscription
            await self._enlist(session, observer, self._handles.values())
        except Refused as fault:
            if fault.code not in _POLLED:
                raise
            if not self._polled:
                reason = fault.message
                log.warning("device is polled: it takes no subscription", device=self._name, reason=reason)
            self._polled = True
            self._subscription = None
            await self._enlist(session, observer, self._handles.values())

    async def _enlist(self, session: Session, observer: Observer, handles: Iterable[int]) -> None:
        """Find these tags' nodes and ask for their values; what is refused is noted."""
        tags = self._settings.tags
        names = [self._served[handle].name for handle in handles]
        nodes, refused = await find(session, {name: tags[name] for name in names}, self._limits.translate)
        if self._subscription is not None and nodes:
            items = {self._handles[name]: (node, tags[name]) for name, node in nodes.items()}
            codes = await self._subscription.monitor(items, self._limits.monitor)
            for name in list(nodes):
                code = codes.get(self._handles[name], StatusCodes.BadUnexpectedError)
                if code == StatusCodes.BadTooManyMonitoredItems:
                    raise Refused("subscribing to so many values", code)
                if refuses(code):
                    refused[name] = refusal(code)
                    del nodes[name]
        self._nodes |= {self._handles[name]: node for name, node in nodes.items()}
        # Without a subscription only reading shows whether a node gives its value.
        unsettled = nodes if self._subscription is None else ()
        kept = {n: r for n, r in self._refused.items() if n not in names or n in unsettled}
        self._note(observer, kept | refused)

    async def _publishing(self, session: Session, subscription: Subscription, observer: Observer) -> None:
        """Take what the server publishes until it is lost."""
        loop = asyncio.get_running_loop()
        sent = self._clock.now()
        retry_at = loop.time() + _RETRY_S
        while True:
            result = await self._published(session, subscription, observer)
            messages = await subscription.in_order(result.NotificationMessage)
            self._count_gaps(subscription)
            for message in messages:
                self._take(message, observer)
            if not result.MoreNotifications:
                # The next answer holds nothing from before this one's request was sent.
                subscription.asked, sent = sent, self._clock.now()
                self._ahead_for -= 1
                if self._ahead and self._ahead_for <= 0:
                    self._ahead = {}
            await session.renew()
            if self._refused and loop.time() >= retry_at:
                await self._enlist(session, observer, [self._handles[name] for name in self._refused])
                self._standing(observer)
                retry_at = loop.time() + _RETRY_S

    async def _published(
        self, session: Session, subscription: Subscription, observer: Observer
    ) -> ua.PublishResult:
        """The server's next answer. If that takes its time, tags that are owed a value are read."""
        waiting = asyncio.create_task(subscription.publish(), name=f"publishing of {self._name}")
        try:
            if self._owed:
                # What the server kept comes with its next two publishings; it goes before what is read now.
                await asyncio.wait([waiting], timeout=2 * subscription.interval_s + 0.2)
                if not waiting.done():
                    await self._read(session, observer, list(self._owed))
            await asyncio.wait([waiting], timeout=subscription.silent_s)
            if not waiting.done():
                raise DeviceFault(
                    f"{self._settings.endpoint} has been silent for {subscription.silent_s:g} s",
                    hint="Check the server's power and network cable, and whether it is overloaded",
                )
            return waiting.result()
        finally:
            waiting.cancel()
            if waiting.done() and not waiting.cancelled():
                waiting.exception()  # retrieved: who is cancelled does not ask for it

    async def _polling(self, session: Session, observer: Observer) -> None:
        """Read every tag at the publishing interval until the server is lost."""
        loop = asyncio.get_running_loop()
        retry_at = loop.time() + _RETRY_S
        while True:
            began = loop.time()
            await self._read(session, observer, list(self._nodes))
            self._standing(observer)
            await session.renew()
            if self._refused and loop.time() >= retry_at:
                await self._enlist(session, observer, [self._handles[name] for name in self._refused])
                retry_at = loop.time() + _RETRY_S
            rest_s = began + self._settings.publishing_interval_s - loop.time()
            try:
                async with asyncio.timeout(max(rest_s, 0.0)):
                    await session.lost.wait()
            except TimeoutError:
                continue
            raise DeviceFault(
                f"{self._settings.endpoint} closed the connection",
                hint="Check the server's power and network, and how many sessions it allows",
            )

    # --- values

    async def _read(self, session: Session, observer: Observer, handles: Sequence[int]) -> None:
        """Read these tags now and tell them."""
        for first in range(0, len(handles), self._limits.read):
            part = handles[first : first + self._limits.read]
            asked = self._clock.now()
            values = await values_of(session, [self._nodes[handle] for handle in part])
            now = self._clock.now()
            told = dict(zip(part, values, strict=True))
            if self._subscription is None:
                refused = self._without(told)
                names = {self._served[handle].name for handle in told}
                kept = {name: one for name, one in self._refused.items() if name not in names}
                self._note(observer, kept | refused)
            else:
                self._ahead |= told
                # The answer under way may be older, the one behind it is not.
                self._ahead_for = 2
            observer.readings([self._reading(handle, value, now, asked) for handle, value in told.items()])
            self._owed.difference_update(told)

    def _without(self, told: dict[int, ua.DataValue]) -> dict[str, Refusal]:
        """What a poll finds to be refused; it is not read again until the next retry."""
        gone = {
            handle: value.StatusCode.value
            for handle, value in told.items()
            if value.StatusCode is not None and value.StatusCode.value in _REFUSING
        }
        for handle in gone:
            del self._nodes[handle], told[handle]
        return {self._served[handle].name: refusal(code) for handle, code in gone.items()}

    def _take(self, message: ua.NotificationMessage, observer: Observer) -> None:
        """Tell what a message says. Raises DeviceFault where it says that the subscription ends."""
        subscription = self._subscription
        asked = subscription.asked if subscription is not None else None
        now = self._clock.now()
        count, ahead = len(self._served), self._ahead
        batch: list[Reading] = []
        for data in message.NotificationData or ():
            if not isinstance(data, ua.DataChangeNotification):
                continue
            for item in data.MonitoredItems:
                handle = item.ClientHandle
                if handle >= count:
                    raise Garbled(f"a value of item {handle} came, and there are {count}", hint=_VERSION)
                if not (ahead and _older(item.Value, ahead.get(handle))):
                    batch.append(self._reading(handle, item.Value, now, asked))
            if self._owed:
                self._owed.difference_update(item.ClientHandle for item in data.MonitoredItems)
        if batch:
            observer.readings(batch)
        if subscription is not None:
            subscription.taken(message)
        fault = ended(message)
        if fault is not None:
            raise fault

    def _reading(self, handle: int, value: ua.DataValue, now: Moment, asked: Moment | None) -> Reading:
        served = self._served[handle]
        status = value.StatusCode
        code = status.value if status is not None else 0
        quality = QUALITIES[code >> 30]
        converted = None
        if quality is not _BAD:
            raw = value.Value.Value if value.Value is not None else None
            converted = served.convert(raw)
            if converted is None:
                quality = _BAD
                self._note_unfit(served.name, unfit(raw))
            elif self._unfit:
                self._note_unfit(served.name, None)
            if code & OVERFLOW == OVERFLOW:
                self._note_overrun(served.name)
        at = source_ms(value.SourceTimestamp)
        return Reading(self._name, served.name, converted, quality, now, served.unit, at, asked)

    # --- what is told of the server itself

    def _standing(self, observer: Observer) -> None:
        """The server is back once it gives any value; one that only refuses is not."""
        now = self._clock.now()
        if self._nodes:
            if self._up is not True:
                self._up = True
                self._overrun = False
                observer.link(Link(self._name, True, self._settings.endpoint, "", now))
        elif self._up is None and self._refused:
            self._up = False
            one = next(iter(self._refused.values()))
            detail = f"{self._settings.endpoint} refuses every tag: {one.reason}"
            observer.link(Link(self._name, False, detail, one.hint, now))

    def _lost(self, observer: Observer, fault: DeviceFault) -> None:
        if self._up is False:
            return
        self._up = False
        now = self._clock.now()
        observer.link(Link(self._name, False, fault.message, fault.hint, now))
        observer.readings([Reading(self._name, one.name, None, _BAD, now, one.unit) for one in self._served])

    def _note(self, observer: Observer, refused: dict[str, Refusal]) -> None:
        """What is refused from now on is bad and logged, once; what no longer is, is logged once."""
        before, self._refused = self._refused, refused
        begun = {name: one for name, one in refused.items() if name not in before}
        ended_ = [name for name in before if name not in refused]
        for why in dict.fromkeys(begun.values()):
            names = [name for name, one in begun.items() if one == why]
            log.warning(
                "device refuses tags", device=self._name, tags=names, reason=why.reason, hint=why.hint
            )
        if ended_:
            log.info("device no longer refuses tags", device=self._name, tags=ended_)
        if begun:
            now = self._clock.now()
            heads = [self._served[self._handles[name]] for name in begun]
            observer.readings([Reading(self._name, one.name, None, _BAD, now, one.unit) for one in heads])

    def _note_unfit(self, tag: str, why: str | None) -> None:
        if why is None:
            self._unfit.pop(tag, None)
        elif tag not in self._unfit:
            self._unfit[tag] = why
            log.warning("device's value does not fit its tag", device=self._name, tag=tag, reason=why)

    def _note_overrun(self, tag: str) -> None:
        if not self._overrun:
            self._overrun = True
            hint = "Raise queue_size, or publish more often"
            log.warning("the server dropped values", device=self._name, tag=tag, hint=hint)

    def _count_gaps(self, subscription: Subscription) -> None:
        """Tags whose last change was in a lost message would stay as they were: all are read anew."""
        if subscription.gaps:
            log.warning("the server no longer has messages", device=self._name, messages=subscription.gaps)
            subscription.gaps = 0
            self._owed = set(self._nodes)


def _older(value: ua.DataValue, read: ua.DataValue | None) -> bool:
    """Whether a published value was sampled before one that was read, or is the same."""
    if read is None or value.SourceTimestamp is None or read.SourceTimestamp is None:
        return False
    if value.SourceTimestamp == read.SourceTimestamp:
        return value.Value == read.Value and value.StatusCode == read.StatusCode
    return value.SourceTimestamp < read.SourceTimestamp
