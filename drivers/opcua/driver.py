"""The driver of one OPC UA server: connect, subscribe, tell what changes, come back after a loss.

Invariants:
- What the server publishes is told in order and in the turn of the loop in which it arrives: there is no
  queue here that could run over.
- What the server kept while the connection was broken is told after it, once.
- A value that `refresh` read is never followed by one that the server sampled before it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from drivers.opcua.ahead import Ahead
from drivers.opcua.nodes import NO_LIMITS, find, limits, values_of
from drivers.opcua.pki import Untrusted
from drivers.opcua.session import Session
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.subscription import Subscription, ended
from drivers.opcua.telling import Telling
from drivers.opcua.words import Garbled, Refusal, Refused, refusal, refuses
from edge.faults import DeviceFault
from edge.ports import Clock, Observer, Verdict
from edge.readings import Reading

log = structlog.get_logger()

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


class OpcUaDriver:
    """One server that speaks OPC UA. A tag's handle is its place among the settings' tags."""

    def __init__(self, name: str, settings: OpcUaSettings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._tell = Telling(name, settings, clock)
        self._polled = False  # whether that was logged
        self._session: Session | None = None  # while it serves
        self._observer: Observer | None = None
        self._nodes: dict[int, ua.NodeId] = {}  # of the tags that the server does not refuse
        self._limits = NO_LIMITS
        self._subscription: Subscription | None = None
        self._owed: set[int] = set()  # told bad at the loss, and not told since
        self._resumed = False  # the subscription goes on after a loss, and has not said anything since
        self._ahead = Ahead()
        self._reason: DeviceFault | None = None  # why a refresh gave the connection up
        self._told = asyncio.Event()  # set once a loss is told

    @property
    def name(self) -> str:
        return self._name

    @property
    def refusals(self) -> Mapping[str, str]:
        """Why the server gives no value of a tag, for each tag of which it gives none now."""
        return self._tell.refusals

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
                    if self._tell.up:
                        pause_s = self._settings.reconnect_min_s
                    if isinstance(fault, Garbled | Refused | Untrusted):
                        session.forget()
                    session.drop()
                    self._tell.lost(observer, self._reason or fault)
                    self._session = self._reason = None
                # After the loss is told, so that who waits finds bad readings, not old good ones.
                self._told.set()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._settings.reconnect_max_s)
        finally:
            self._told.set()
            self._session = self._observer = self._subscription = None
            self._tell.forget()
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
        self._ahead = Ahead()
        resumed = await session.connect()
        messages = await self._subscription.resume() if resumed and self._subscription is not None else None
        self._resumed = messages is not None
        if messages is None:
            self._subscription = None
            self._owed = set()
            try:
                await self._begin(session, observer)
            except DeviceFault:
                # The next connection would go on with a subscription in which values are missing.
                session.forget()
                raise
        else:
            self._owed = set(self._nodes)
        self._session = session
        if self._subscription is None:
            await self._polling(session, observer)
            return
        self._tell.standing(observer, serves=bool(self._nodes))
        for message in messages or ():
            self._take(message, observer)
            self._ahead.kept(message)
        await self._publishing(session, self._subscription, observer)

    async def _begin(self, session: Session, observer: Observer) -> None:
        """Find the nodes and subscribe; without a subscription where the server has none to give."""
        self._nodes = {}
        self._limits = await limits(session)
        subscription = Subscription(session, self._settings, self._clock.now())
        try:
            await subscription.create()
            self._subscription = subscription
            await self._enlist(session, observer, self._tell.handles.values())
        except Refused as fault:
            if fault.code not in _POLLED:
                raise
            if not self._polled:
                reason = fault.message
                log.warning("device is polled: it takes no subscription", device=self._name, reason=reason)
            self._polled = True
            self._subscription = None
            await self._enlist(session, observer, self._tell.handles.values())

    async def _enlist(self, session: Session, observer: Observer, handles: Iterable[int]) -> None:
        """Find these tags' nodes and ask for their values; what is refused is noted."""
        tags, known = self._settings.tags, self._tell.handles
        names = self._tell.names(handles)
        nodes, refused = await find(session, {name: tags[name] for name in names}, self._limits.translate)
        if self._subscription is not None and nodes:
            items = {known[name]: (node, tags[name]) for name, node in nodes.items()}
            codes = await self._subscription.monitor(items, self._limits.monitor)
            for name in list(nodes):
                code = codes[known[name]]
                if code == StatusCodes.BadTooManyMonitoredItems:
                    raise Refused("subscribing to so many values", code)
                if refuses(code):
                    refused[name] = refusal(code)
                    del nodes[name]
        self._nodes |= {known[name]: node for name, node in nodes.items()}
        # Without a subscription only reading shows whether a node gives its value.
        settled = names if self._subscription is not None else refused
        self._tell.refuses(observer, settled, refused)

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
                self._ahead.answered()
            if self._tell.refused and loop.time() >= retry_at:
                await self._enlist(session, observer, self._tell.handles_of_refused)
                self._tell.standing(observer, serves=bool(self._nodes))
                retry_at = loop.time() + _RETRY_S

    async def _published(
        self, session: Session, subscription: Subscription, observer: Observer
    ) -> ua.PublishResult:
        """The server's next answer. If that takes its time, tags that are owed a value are read."""
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(subscription.publish(), name=f"publishing of {self._name}")
        try:
            if self._owed:
                # What the server kept comes with its next two publishings; it goes before what is read now.
                await asyncio.wait([waiting], timeout=2 * subscription.interval_s + 0.2)
                if not waiting.done():
                    await self._read(session, observer, list(self._owed))
            silent_at = loop.time() + subscription.silent_s
            while not waiting.done():
                if loop.time() >= silent_at:
                    # One that stays silent behind a new connection would be so behind the next one too.
                    kind = Garbled if self._resumed else DeviceFault
                    raise kind(
                        f"{self._settings.endpoint} has been silent for {subscription.silent_s:g} s",
                        hint="Check the server's power and network cable, and whether it is overloaded",
                    )
                await session.renew()
                await asyncio.wait([waiting], timeout=min(silent_at, session.renew_at) - loop.time())
            self._resumed = False
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
            self._tell.standing(observer, serves=bool(self._nodes))
            if self._tell.refused and loop.time() >= retry_at:
                await self._enlist(session, observer, self._tell.handles_of_refused)
                retry_at = loop.time() + _RETRY_S
            await session.stand(began + self._settings.publishing_interval_s)

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
                self._tell.refuses(observer, self._tell.names(told), refused)
            else:
                self._ahead.read(told)
            reading = self._tell.reading
            observer.readings([reading(handle, value, now, asked) for handle, value in told.items()])
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
        return dict(zip(self._tell.names(gone), map(refusal, gone.values()), strict=True))

    def _take(self, message: ua.NotificationMessage, observer: Observer) -> None:
        """Tell what a message says. Raises DeviceFault where it says that the subscription ends."""
        subscription = self._subscription
        asked = subscription.asked if subscription is not None else None
        now = self._clock.now()
        count, reading = len(self._tell), self._tell.reading
        outdated = self._ahead.outdates if self._ahead else None
        batch: list[Reading] = []
        for data in message.NotificationData or ():
            if not isinstance(data, ua.DataChangeNotification):
                continue
            items = data.MonitoredItems or ()
            for item in items:
                handle = item.ClientHandle
                if handle >= count:
                    raise Garbled(f"a value of item {handle} came, and there are {count}", hint=_VERSION)
                if outdated is None or not outdated(handle, item.Value):
                    batch.append(reading(handle, item.Value, now, asked))
            if self._owed:
                self._owed.difference_update(item.ClientHandle for item in items)
        if batch:
            observer.readings(batch)
        if subscription is not None:
            subscription.taken(message)
        fault = ended(message)
        if fault is not None:
            raise fault

    def _count_gaps(self, subscription: Subscription) -> None:
        """Tags whose last change was in a lost message would stay as they were: all are read anew."""
        if subscription.gaps:
            log.warning("the server no longer has messages", device=self._name, messages=subscription.gaps)
            subscription.gaps = 0
            self._owed = set(self._nodes)
