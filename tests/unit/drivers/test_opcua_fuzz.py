"""Whatever bytes come instead of frames: no crash, no hang, the driver comes back, memory stays flat.

Where only the frame around a message is spoilt, no wrong value may be told either. Within a message that is
well framed and not signed, bytes of a value cannot be told from others: there only the structure is judged.
"""

import asyncio
import gc
import random
import struct
from collections.abc import Callable, Sequence

import pytest
from asyncua import ua

from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.settings import OpcUaSettings
from edge.readings import Quality, Reading
from tests.contract.observing import Recorder, TestClock, cancelled
from tests.unit.drivers.opcua_memory import PORT, Script
from tests.virtualtime import run

BODY = 24  # where a message begins: behind the headers of frame, security and sequence
SHARES = (0.4,) * 4  # which share of each quarter's frames is spoilt: with fewer, connections get further
DEEPER = (0.1, 0.2, 0.3, 0.4)
HELD: dict[int, Callable[[int], ua.Variant]] = {
    1: lambda count: ua.Variant(count * 0.25, ua.VariantType.Double),
    2: lambda count: ua.Variant(f"LOT-{count}", ua.VariantType.String),
    3: lambda count: ua.Variant(count, ua.VariantType.UInt32),
    4: lambda count: ua.Variant([count, 2, 3], ua.VariantType.Int32),
}
SETTINGS = OpcUaSettings.model_validate(
    {
        "driver": "opcua",
        "endpoint": f"opc.tcp://127.0.0.1:{PORT}",
        "tags": {f"t{n}": {"node": f"nsu=urn:oven;i={n}"} for n in HELD},
    }
)


def sized(frame: bytes) -> bytes:
    """The frame with the length that it has."""
    return frame[:4] + struct.pack("<I", len(frame)) + frame[8:]


def frame_spoilt(chance: random.Random, frame: bytes) -> bytes:
    """The frame's headers changed, cut or doubled, or something else before or in place of it."""
    noise = chance.randbytes(chance.randrange(1, 60))
    match chance.randrange(8):
        case 0:
            at = chance.randrange(BODY)
            return frame[:at] + bytes([frame[at] ^ 1 << chance.randrange(8)]) + frame[at + 1 :]
        case 1:
            return frame[: chance.randrange(BODY)]
        case 2:
            return noise + frame
        case 3:
            return noise
        case 4:
            return frame + frame
        case 5:
            return sized(frame[: chance.randrange(BODY, BODY + 16)])  # not even a response's header
        case 6:
            return chance.choice((b"MSGF", b"MSGC", b"MSGA", b"OPNF", b"ERRF", b"CLOF")) + frame[4:]
        case _:
            at = chance.randrange(0, BODY, 4)
            return frame[:at] + chance.randbytes(4) + frame[at + 4 :]


def body_spoilt(chance: random.Random, frame: bytes) -> bytes:
    """A message that is well framed, and no longer what it was."""
    head, body = frame[:BODY], bytearray(frame[BODY:])
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(body) or 1)
        match chance.randrange(6):
            case 0:
                body[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                body[at : at + 4] = struct.pack(
                    "<i", chance.choice((-1, -2, -8, 2**31 - 1, -(2**31), 70_000))
                )
            case 2:
                del body[at:]
            case 3:
                body += chance.randbytes(chance.randrange(1, 9))
            case 4:
                body[at:at] = body[: chance.randrange(1, 40)]
            case _:
                body[at : at + 1] = bytes([chance.randrange(256)]) * chance.choice((1, 8, 3000))
    return sized(head + bytes(body))


class Spoiler:
    """Spoils some of the frames until there were enough; none before the driver was up once."""

    def __init__(self, chance: random.Random, spoil: Callable[[random.Random, bytes], bytes]) -> None:
        self._chance, self._spoil = chance, spoil
        self.left = 0
        self.share = 0.0

    def __call__(self, frame: bytes) -> bytes:
        if self.left == 0 or self._chance.random() > self.share:
            return frame
        self.left -= 1
        return self._spoil(self._chance, frame)


class Judge(Recorder):
    """Judges each reading and forgets it."""

    def __init__(self, script: Script, *, values: bool) -> None:
        super().__init__()
        self._script, self._values = script, values
        self.good = self.downs = 0
        self.up = False

    def judge(self) -> None:
        for reading in (one for batch in self.batches for one in batch):
            self._one(reading)
        self.batches.clear()
        for link in self.links:
            self.downs += not link.up
            assert link.up or (link.detail and link.hint)
            self.up = link.up
        self.links.clear()

    def _one(self, reading: Reading) -> None:
        assert reading.tag in SETTINGS.tags
        assert isinstance(reading.value, float | int | str | None)
        assert (reading.quality is Quality.bad) == (reading.value is None)
        if reading.value is not None:
            self.good += 1
            if self._values:
                node = int(reading.tag[1:])
                told = reading.value
                count = int(told[4:]) if isinstance(told, str) else int(told * (4 if node == 1 else 1))
                assert 0 <= count <= self._script.count
                assert HELD[node](count).Value == told


def survived(
    number: int,
    seed: int,
    spoil: Callable[[random.Random, bytes], bytes],
    *,
    values: bool,
    shares: Sequence[float] = SHARES,
) -> None:
    """The driver lives through so many spoilt frames and serves all tags at the end."""

    async def main() -> None:
        spoiler = Spoiler(random.Random(seed), spoil)
        script = Script(spoiler, lambda node, count: HELD[node](count))
        await script.listen()
        judge = Judge(script, values=values)
        task = asyncio.create_task(OpcUaDriver("oven", SETTINGS, TestClock()).run(judge))
        objects = []
        for spoiler.share in shares:
            spoiler.left = number // len(shares)
            while spoiler.left:
                await asyncio.sleep(30)
                assert not task.done(), task.exception()
                judge.judge()
            await asyncio.sleep(300)  # the longest silence and the longest pause are behind it
            judge.judge()
            before = judge.good
            await asyncio.sleep(2)
            judge.judge()
            assert judge.up and judge.good >= before + 6, "the driver did not come back"
            gc.collect()
            objects.append(len(gc.get_objects()))
        assert judge.downs > number / 100
        assert objects[-1] < objects[1] * 1.05 + 200, objects
        await cancelled(task)

    run(main())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
def test_fifty_thousand_spoilt_frames_are_a_loss_and_never_a_wrong_value(seed: int) -> None:
    survived(10_000, seed, frame_spoilt, values=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
def test_fifty_thousand_spoilt_messages_are_a_loss_or_a_value(seed: int) -> None:
    survived(10_000, seed, body_spoilt, values=False)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(10, 15))
def test_as_many_spoilt_frames_deeper_in_are_a_loss_and_never_a_wrong_value(seed: int) -> None:
    survived(10_000, seed, frame_spoilt, values=True, shares=DEEPER)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(20, 25))
def test_as_many_spoilt_messages_deeper_in_are_a_loss_or_a_value(seed: int) -> None:
    survived(10_000, seed, body_spoilt, values=False, shares=DEEPER)
