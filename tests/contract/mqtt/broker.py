"""A real mosquitto, a client of another making, and a bus over a journal."""

import asyncio
import json
import queue
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.demo.plant import free_port
from edge.events import Draft, Fact, ReviewSettled, decode
from edge.ids import uuid7
from edge.journal import Journal, Reader
from edge.masterdata.store import MASTERDATA, MasterStore
from edge.settings import Edge
from sync.metrics import Metrics
from sync.mqtt.bus import Bus
from sync.mqtt.settings import MqttSettings
from sync.status import UplinkStatus, Waiting, load_quarantine, load_status
from tests.contract.uplink.rig import START_MS, Time, WatchedStore, facts, watched
from tests.patience import PATIENCE_S

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs Debian's mosquitto")
EDGE = Edge.model_validate(
    {"id": "edge", "site": "site", "line": "L3", "timezone": "UTC", "enterprise": "acme", "area": "hall"}
)
_NOTHING = asyncio.subprocess.DEVNULL
BASE = "lineside/v1/acme/site/hall/L3/edge"


class Broker:
    """mosquitto as a child process, with persistence as its package has it."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        folder.mkdir(exist_ok=True)
        self._config = folder / "mosquitto.conf"
        text = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/"]
        given = (
            lines if any("allow_anonymous" in line for line in lines) else (*lines, "allow_anonymous true")
        )
        self._config.write_text("\n".join([*text, "user root", *given, ""]))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = await asyncio.create_subprocess_exec(
            MOSQUITTO,
            "-c",
            self._config,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(PATIENCE_S):
            while True:
                assert self._process.returncode is None, "mosquitto ended at once"
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    async def kill(self, forgets: bool = False) -> None:
        """SIGKILL; `forgets`: nor is anything left on its disk."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if forgets:
            (self._config.parent / "mosquitto.db").unlink(missing_ok=True)


class Asking:
    """A consumer's half by hand: publish, and wait for what comes."""

    def __init__(self, port: int, *subscribed: str, user: str | None = None, password: str = "") -> None:
        self.came: queue.Queue[MQTTMessage] = queue.Queue()
        self._ready: queue.Queue[str] = queue.Queue()
        self._topics = subscribed
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.on_connect = lambda c, *_: [c.subscribe(topic, qos=1) for topic in subscribed]
        self._client.on_subscribe = lambda *_: self._ready.put("")
        self._client.on_message = lambda _c, _u, message: self.came.put(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        for _ in subscribed:
            self._ready.get(timeout=PATIENCE_S)
        self._number = 0

    def publish(
        self, topic: str, body: object, answer_to: str | None = None, correlation: bytes | None = None
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        if answer_to is not None:
            properties.ResponseTopic = answer_to
        if correlation is not None:
            properties.CorrelationData = correlation
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._client.publish(topic, payload, qos=1, properties=properties)

    def answer_with(self, answer: Callable[..., None]) -> None:
        """From now on each message goes to `answer(client, data, message)`, at once."""
        self._client.on_message = answer

    def next(self) -> MQTTMessage:
        return self.came.get(timeout=PATIENCE_S)

    def ask(self, topic: str, body: object, consumer: str = "erp") -> dict[str, Any]:
        """Publish a request; the answer with its correlation."""
        self._number += 1
        mark = b"%d" % self._number
        end = time.monotonic() + PATIENCE_S
        self.publish(topic, body, f"{BASE}/answer/{consumer}/me", mark)
        while time.monotonic() < end:
            message = self.next()
            assert message.properties is not None
            if getattr(message.properties, "CorrelationData", None) == mark:
                found: dict[str, Any] = json.loads(message.payload)
                return found
        raise TimeoutError

    def unhindered(self) -> None:
        """Nothing waits for the acknowledgement of what was sent before it (docs/mqtt.md, "Speed")."""
        sock = self._client.socket()
        assert sock is not None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@dataclass
class Rig:
    """What a test holds."""

    folder: Path
    broker: Broker
    journal: Journal
    store: WatchedStore
    held: MasterStore
    settings: MqttSettings
    time: Time
    task: "asyncio.Task[None] | None" = None
    asking: list[Asking] = field(default_factory=list)

    def start(self, **changed: Any) -> None:
        self.settings = self.settings.model_copy(update=changed)
        site = type("Site", (), {"edge": EDGE})
        bus = Bus(
            "bus", self.settings, site, self.store, self.held, self.time, Metrics(), self.journal.path,  # type: ignore[arg-type]
        )  # fmt: skip
        self.task = asyncio.create_task(bus.run(), name="bus")

    async def stop(self) -> None:
        if self.task is not None:
            task, self.task = self.task, None
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def client(self, consumer: str = "erp", **more: Any) -> Asking:
        """A client that hears its answers, once the bus is there."""
        found = await asyncio.to_thread(
            Asking, self.broker.port, f"{BASE}/status", f"{BASE}/answer/{consumer}/#", **more
        )
        self.asking.append(found)
        while not json.loads((await asyncio.to_thread(found.next)).payload)["online"]:
            assert self.task is None or not self.task.done(), self.task
        return found

    async def ask(self, client: Asking, what: str, body: object, consumer: str = "erp") -> dict[str, Any]:
        return await asyncio.to_thread(client.ask, f"{BASE}/{what}/{consumer}", body, consumer)

    async def append(self, *given: Fact) -> list[str]:
        drafts = [
            Draft(uuid7(START_MS + number, hash(repr(fact)) & 0xFFFF), START_MS, fact)
            for number, fact in enumerate(given, self.journal.head)
        ]
        return [event.id for event in await self.journal.append(drafts)]

    async def review(self, how: Any, *ids: str) -> None:
        await self.append(ReviewSettled(settles=ids, how=how, person="chief"))

    async def expected(self) -> list[tuple[int, str]]:
        async with await Reader.open(self.journal.path) as reader:
            rows = await reader.read_after(0, 1_000_000)
        return [(seq, decode(body).id) for seq, body in rows]

    def status(self, consumer: str = "erp") -> UplinkStatus:
        return next(one for one in load_status(self.store.path).uplinks if one.uplink == f"bus/{consumer}")

    @property
    def quarantine(self) -> list[Waiting]:
        return load_quarantine(self.store.path)

    def alerts(self) -> list[str]:
        return [one.key for one in load_status(self.store.path).alerts if one.cleared_ms is None]


def numbered(page: dict[str, Any]) -> list[tuple[int, str]]:
    """(seq, id) of a page's events."""
    return [(int(event["sequence"]), event["id"]) for event in page["events"]]


@asynccontextmanager
async def rigged(folder: Path, *lines: str, count: int = 20, **settings: Any) -> AsyncIterator[Rig]:
    """A rig whose journal holds `count` events, journal.opened included; the bus runs."""
    broker, time_ = Broker(folder / "broker", *lines), Time()
    await broker.start()
    given = MqttSettings.model_validate(
        {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port, "tls": False, "consumers": ["erp"],
         "backoff_max_s": 0.2, **settings}
    )  # fmt: skip
    async with (
        await watched(folder / "sync.db") as store,
        await Journal.open(folder / "journal.db", "site", "edge", time_) as journal,
    ):
        held = await MasterStore.open(folder / MASTERDATA)
        assert isinstance(store, WatchedStore)
        rig = Rig(folder, broker, journal, store, held, given, time_)
        if count > 1:
            await rig.append(*facts(count - 1))
        rig.start()
        try:
            yield rig
        finally:
            for one in rig.asking:
                await asyncio.to_thread(one.close)
            await rig.stop()
            await rig.journal.close()  # a later one, where this one was set aside
            await held.close()
            await broker.kill()
