"""The demo's operator: scans a work order's life at the gun and keeps their own tally of what was done.

The tally is what the floor knows by itself (strokes of the press, pieces thrown away, kilograms taken): the
comparison at the end holds journal and ERP against it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from typing import Any

from drivers.barcode.simulator import Gun
from drivers.modbus.simulator import Press
from edge.ports import Verdict

BADGE = "1042"
REPEAT_PAUSE_S = 2.2  # the same code within 2 s is taken for a repeat
ANSWER_S = 2.0
ALLOWANCE = Decimal("1.05")  # taken beyond what the BOM asks for
Look = Callable[[], Awaitable[int | None]]  # when the last fact on the operator page happened, UTC ms


@dataclass(frozen=True)
class Scanned:
    """A scan and the gun's answer; None: no answer came."""

    text: str
    verdict: Verdict | None


@dataclass
class Tally:
    """What was done for one work order, by the floor's own count."""

    work_order: str
    product: str
    planned: int
    good: int = 0
    scrap: int = 0
    setup_scrap: int = 0
    machine_s: float = 0.0  # by the operator's watch
    machine_within_s: float = 0.0  # how near to it one comes who asks the press now and then, as was done
    energy_kwh: float = 0.0  # by the meter's own display
    consumed: dict[str, Decimal] = field(default_factory=dict)  # by lot, in base units
    completed: bool = False


class Operator:
    """Works the released orders of this line one after the other."""

    def __init__(
        self, press: Press, gun: Gun, look: Look, orders: list[dict[str, Any]], pace_s: float
    ) -> None:
        self.press = press
        self.gun = gun
        self.look = look
        self.pace_s = pace_s  # between two scans
        self.scans: deque[Scanned] = deque(maxlen=6)
        self.scan_count = 0
        self.tallies: list[Tally] = []
        self.doing = ""
        self._last_text = ""
        self._ran_s = self._started_s = 0.0
        self.orders = orders

    async def sign_on(self) -> None:
        """Scan the badge until the collector is there and takes it."""
        self.doing = "signs on"
        while await self.scan(f"LSE{BADGE}") != "good":
            await asyncio.sleep(0.5)

    async def work(self, order: dict[str, Any]) -> Tally:
        """One work order from start to completion, mishaps included."""
        tally = Tally(order["work_order"], order["product"], int(order["quantity"]))
        self.tallies.append(tally)
        self.doing = f"starts {tally.work_order}"
        await self.must(f"LSW{tally.work_order} {order['operations'][0]['operation']}")
        first_kwh = self.press.energy_kwh
        await self._set_up(tally)
        await self._take_material(order, tally)
        first, first_s = self.press.count, self._ran_s
        switched = len(self.press.switchings)
        self._produce(f"produces {tally.work_order}")
        await self._strokes(first, tally.planned // 3)
        await self._mishaps(tally)
        await self._strokes(first, tally.planned // 2)
        await self._break(tally)
        await self._strokes(first, tally.planned + tally.scrap)
        self._rest()
        tally.machine_s = self._ran_s - first_s
        tally.energy_kwh = self.press.energy_kwh - first_kwh
        # The PLC was asked since, so that the screen shows the last stroke too, however slow this machine is.
        tally.machine_within_s = await self._noticed(switched)
        self.doing = f"completes {tally.work_order}"
        await self.must("LSCDONE")
        await self.must("LSCOK")
        tally.good = (self.press.count - first) % 2**32 - tally.scrap
        tally.completed = True
        return tally

    async def shift(self) -> None:
        """Work order after order, until there is none left."""
        await self.sign_on()
        for order in self.orders:
            await self.work(order)
        self.doing = "has no more orders"

    async def must(self, text: str) -> None:
        """Scan until the gun beeps good: a person tries again after a bad beep or none."""
        while await self.scan(text) != "good":
            await asyncio.sleep(REPEAT_PAUSE_S)

    async def scan(self, text: str) -> Verdict | None:
        """Scan once; the gun's answer."""
        await asyncio.sleep(REPEAT_PAUSE_S if text == self._last_text else self.pace_s)
        self._last_text = text
        began_ms = time.time_ns() // 1_000_000
        self.gun.heard = b""
        verdict: Verdict | None
        try:
            await self.gun.scan(text)
            verdict = await self.gun.verdict(ANSWER_S)
        except (TimeoutError, OSError):
            # No beep: recorded or not, the screen tells once it is back.
            verdict = "good" if (await self.look() or 0) >= began_ms else None
        self.scans.append(Scanned(text, verdict))
        self.scan_count += 1
        return verdict

    async def _set_up(self, tally: Tally) -> None:
        """Change the tool and try it: the trial piece is scrap."""
        await self.must("LSCSETUP")
        self.doing = "changes the tool"
        await asyncio.sleep(self.pace_s * 2)
        self.press.stroke()
        tally.setup_scrap += 1
        await self.must("LSCGO")
        await self.must("LSCOK")

    async def _take_material(self, order: dict[str, Any], tally: Tally) -> None:
        for line in order["bom"]:
            lot = _LOTS[line["material"]]
            need = Decimal(line["quantity"]) * tally.planned * ALLOWANCE
            places = Decimal(1) if line["unit"] == "C62" else Decimal("0.01")  # nobody takes half a nut
            taken = need.quantize(places, ROUND_UP)
            self.doing = f"takes {line['material']}"
            while True:
                await self.must(f"LSL {lot}")
                if await self.scan(f"LSQ{str(taken).replace('.', 'D')}") == "good":
                    break
            tally.consumed[lot] = tally.consumed.get(lot, Decimal(0)) + taken

    async def _mishaps(self, tally: Tally) -> None:
        """What goes wrong on a real shift: a torn label, somebody else's order, pieces with a burr."""
        await self.scan("LSW1004##78")
        await self.scan("LSW10045690")
        await self.scan("4006381333931")
        await self.must("LSCSCRAP04")
        await self.must("LSQ2")
        tally.scrap += 2

    async def _break(self, tally: Tally) -> None:
        self._rest()
        self.doing = "waits for material"
        await self.must("LSCPAUSE21")
        await asyncio.sleep(self.pace_s * 2)
        await self.must("LSCGO")
        self._produce(f"produces {tally.work_order}")

    def _produce(self, doing: str) -> None:
        self.doing = doing
        self._started_s = time.monotonic()
        self.press.start()

    def _rest(self) -> None:
        self.press.stop()
        self._ran_s += time.monotonic() - self._started_s

    async def _noticed(self, first: int) -> float:
        """How long the starts and stops since the first took to be noticed, together, in seconds."""
        late_s = 0.0
        for switching in self.press.switchings[first:]:
            while switching.noticed_s is None:
                await asyncio.sleep(0.02)
            late_s += switching.noticed_s - switching.at_s
        return late_s

    async def _strokes(self, first: int, strokes: int) -> None:
        while (self.press.count - first) % 2**32 < strokes:
            await asyncio.sleep(0.02)


_LOTS = {"STEEL-4": "A2207", "NUT-M6": "N8841", "SEAL-2": "R5120"}
