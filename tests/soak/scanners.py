"""The scanners of the soak and whoever holds them: each scan is one of its kind, so that it can be looked up.

A scrap's reason carries the number of the scan. An acknowledged one must be in the journal, once; of one
without an answer (the scanner was pulled out) nobody can tell.
"""

import asyncio
import random
from collections.abc import Callable, Mapping

from drivers.barcode.simulator import Gun, ServingReader
from edge.ports import Verdict
from tests.soak.machines import Begin, Restore, Trouble, nothing

ANSWER_S = 3.0
_SLICE_S = 0.05
SPOILT = (
    b"\xff\xfe\xfd\r",
    b"LSCSCR",
    b"\x00\x01LSE1\r",
    b"0106901234567892" + b"10A22073010\r",
    b"x" * 600 + b"\r",
)


class Operator(Trouble):
    """Somebody at a station who scans and listens; now and then the code is dirty, or only half read."""

    rest_s = (0.5, 6.0)

    def __init__(self, gun: Gun | ServingReader, name: str, station: str, order: str) -> None:
        super().__init__(name, (name,))
        self.gun, self.station, self.order = gun, station, order
        self.scans: dict[str, Verdict | None] = {}  # by reason; None: no answer
        self.spoilt: list[Verdict | None] = []  # the answers to what is no code
        self._losses = 0

    @property
    def faults(self) -> Mapping[str, Begin]:
        if isinstance(self.gun, Gun):
            return {"unplugged": self._unplugged}
        return {"connection reset": self._hung_up, "power off": self._off}

    async def begin(self) -> None:
        """Sign on and start the order; raises AssertionError where that is refused."""
        for text in (f"LSEP{self.name.upper()}", f"LSW{self.order} 0020"):
            verdict = await self._answered(text.encode() + self.gun.line_end)
            assert verdict == "good", f"{self.name}: {text} was answered {verdict}"

    async def work(self, chance: random.Random, ready: Callable[[], bool]) -> None:
        """Scan until cancelled, whenever `ready`."""
        while True:
            await asyncio.sleep(chance.uniform(0.02, 0.2))
            if not ready():
                continue
            if chance.random() < 0.1:
                self.spoilt.append(await self._answered(chance.choice(SPOILT)))
            else:
                reason = f"{self.name.upper()}-{len(self.scans)}"
                self.scans[reason] = None
                self.scans[reason] = await self._answered(f"LSCSCRAP{reason}".encode() + self.gun.line_end)

    async def _answered(self, data: bytes) -> Verdict | None:
        """The answer to what is scanned; None where the scanner was lost or nothing came."""
        losses = self._losses
        self.gun.heard = b""
        try:
            await self._send(data)
        except OSError:
            return None  # pulled out at this moment
        for _ in range(round(ANSWER_S / _SLICE_S)):
            try:
                return await self.gun.verdict(_SLICE_S)
            except TimeoutError:
                if self._losses != losses:
                    return None
        return None

    async def _send(self, data: bytes) -> None:
        if isinstance(self.gun, Gun):
            await self.gun.send(data)
        else:
            self.gun.send(data)

    async def _unplugged(self) -> Restore:
        gun = self.gun
        assert isinstance(gun, Gun)
        self._losses += 1
        gun.unplug()

        async def restore() -> None:
            gun.plug()

        return restore

    async def _hung_up(self) -> Restore:
        assert isinstance(self.gun, ServingReader)
        self._losses += 1
        self.gun.hang_up()
        return nothing

    async def _off(self) -> Restore:
        assert isinstance(self.gun, ServingReader)
        self._losses += 1
        await self.gun.power_off()
        return self.gun.power_on
