"""A line of real processes on a machine whose clock dies, is set, and comes back.

In the end every fact is at the ERP on the day on which it really happened, in order, with no duration that
the clock made up; and both sides' books agree.
"""

import asyncio
import random
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge import main
from edge.calendar import Calendar
from edge.clock import SystemClock
from edge.events import ClockStepped, MaterialConsumed, WorkReported, parse_instant
from edge.journal import Reader, verify
from edge.timekeeper import BEHIND
from sync import registry
from sync.reconcile import Range, Reconciliation
from sync.store import Store
from tests.faults.machine import Machine
from tests.line.plant import Line, facts, line, until

ORDER = "10045678"
IN_1970 = 30_000  # ms
HOUR = 3600
STEP = Decimal("0.000001")


class Shift:
    """An operator who takes material, each time a quantity of its own, and knows what day it is."""

    def __init__(self, floor: Line, machine: Machine) -> None:
        self.floor = floor
        self.machine = machine
        self.calendar = Calendar(ZoneInfo("Asia/Shanghai"), main.load(floor.config).shifts)
        self.days: dict[int, str | None] = {}  # by the number of the quantity

    @property
    def today(self) -> str | None:
        return self.calendar.day(self.machine.true_ms).posting_date

    async def start(self) -> None:
        dead = [
            name
            for name in ("collect", "sync")
            if name not in self.floor.children or self.floor.children[name].code is not None
        ]
        await asyncio.gather(*(self.floor.start(name) for name in dead))
        await self.floor.sign_on()
        await self.floor.masterdata()

    async def power_cut(self) -> None:
        for name in ("collect", "sync"):
            await self.floor.children[name].kill()

    async def take(self) -> int:
        """Take some material; its number."""
        number = len(self.days) + 1
        self.days[number] = self.today
        await self.floor.scans("LSL A2207", f"LSQ0D{number:06d}")
        return number

    def taken(self) -> dict[int, MaterialConsumed]:
        found = [one.data for one in facts(self.floor.events(), "material.consumed")]
        return {int(one.quantity / STEP): one for one in found if isinstance(one, MaterialConsumed)}

    def steps(self) -> list[ClockStepped]:
        found = [one.data for one in facts(self.floor.events(), "clock.stepped")]
        return [one for one in found if isinstance(one, ClockStepped)]

    def standing(self) -> list[str]:
        with closing(sqlite3.connect(f"file:{self.floor.journal}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT key FROM alerts WHERE cleared_ms IS NULL ORDER BY id")
            return [key for (key,) in rows]

    async def stepped(self, number: int) -> None:
        await until(lambda: len(self.steps()) >= number, f"clock.stepped number {number}")

    async def undisturbed(self) -> None:
        """What holds whatever the clock did."""
        events = self.floor.events()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        async with await Reader.open(self.floor.journal) as reader:
            assert not (await verify(reader)).problems
        assert sorted(self.taken()) == sorted(self.days)
        reports = [one.data for one in facts(events, "work.reported", "work.completed")]
        for report in reports:
            assert isinstance(report, WorkReported)
            if report.interval is not None:
                length_ms = parse_instant(report.interval.to) - parse_instant(report.interval.from_)
                assert length_ms >= 0
            labour = report.resources.labour if report.resources else ()
            assert all(one.s >= 0 for one in labour or ())  # type: ignore[union-attr]
        assert await self.floor.at_erp() == [(event.id, event.seq, "accepted") for event in events]

    async def at_erp(self) -> dict[int, tuple[int, str | None]]:
        """Each consumption's seq and posting date as the ERP has it."""
        ledger = self.floor.erp.ledger
        where = "WHERE type = 'lineside.material.consumed.v1'"
        rows = await ledger.run(lambda: list(ledger.rows(where)))
        held: dict[int, tuple[int, str | None]] = {}
        for row in rows:
            fact = row.event().data
            assert isinstance(fact, MaterialConsumed)
            held[int(fact.quantity / STEP)] = row.seq, row.posting_date
        return held

    def named(self) -> set[int]:
        """Seqs of which an alert says that nobody knows their date."""
        keys = [key for key in self.standing() if key.startswith("clock.undated.")]
        spans = [map(int, key.rpartition(".")[2].split("-")) for key in keys]
        return {seq for first, last in spans for seq in range(first, last + 1)}

    async def reconciled(self) -> None:
        """The books agree over the whole journal and over every half of it; sync must have stopped."""
        head = self.floor.head()
        loaded, clock = main.load(self.floor.config), SystemClock()
        data = loaded.edge.data_dir
        uplink = registry.build("erp", loaded.uplinks["erp"], self.floor.config.parent, None, clock)
        assert uplink is not None
        try:
            async with await Store.open(data / main.STORE) as store:
                books = Reconciliation(uplink, store, data / main.JOURNAL, clock)
                for first, last in ((1, head), (1, head // 2), (head // 2 + 1, head)):
                    certificate = await books.compare(Range(data / main.JOURNAL, first, last))
                    assert certificate is not None
                    assert certificate.match, (first, last, certificate.differences)
        finally:
            await uplink.close()


async def test_a_dead_battery_a_wrong_hand_and_a_leap_second_leave_every_fact_on_its_day(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path / "machine")
    machine.begin()
    async with line(tmp_path) as floor:
        floor.module = machine.module
        shift = Shift(floor, machine)
        await shift.start()
        await floor.scans(f"LSW{ORDER}")
        floor.press.start()
        await shift.take()

        await shift.power_cut()
        machine.reboot(22 * HOUR + 30 * 60, IN_1970)  # 08:30 of the next day, and the battery is dead
        await shift.start()
        in_1970 = await shift.take()
        assert (shift.taken()[in_1970].posting_date, shift.taken()[in_1970].clock) == (None, "unsynced")
        assert shift.standing() == [BEHIND]
        machine.correct()
        await shift.stepped(1)
        assert shift.steps()[-1].posting_date == "2026-11-23"
        await shift.take()

        machine.ntp("unsynced")
        machine.step(-3 * HOUR)
        behind = await shift.take()
        assert (shift.taken()[behind].posting_date, shift.taken()[behind].clock) == (None, "stepped")
        await floor.children["collect"].kill()  # the machine runs on, and is set right meanwhile
        machine.correct()
        await shift.start()

        machine.step(-1)  # a leap second, with NTP at work
        await shift.take()
        found = [round(step.offset_s or 0) for step in shift.steps()]
        assert found[1:] == [-3 * HOUR, 3 * HOUR, -1]
        floor.press.stop()
        await floor.scans("LSCDONE", "LSCOK")
        events = floor.events()
        assert len(facts(events, "work.completed")) == 1
        posted = [one.data.resources for one in events if isinstance(one.data, WorkReported)]
        told = [one for one in posted if one is not None]
        assert any("labour" not in (one.basis or {}) for one in told), (
            "22 h without power are nobody's labour"
        )
        shares = [share for one in told for share in one.labour or ()]
        assert 0 < sum(share.s for share in shares) < HOUR
        await floor.posted()
        await shift.undisturbed()
        assert {number: day for number, (_, day) in (await shift.at_erp()).items()} == shift.days
        assert shift.standing() == []
        await floor.children["sync"].stop()
        await shift.reconciled()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_clock_does_each_fact_is_dated_or_named(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    machine = Machine(tmp_path / "machine")
    machine.begin()
    async with line(tmp_path, cycle_s=0.2) as floor:
        floor.module = machine.module
        shift = Shift(floor, machine)
        await shift.start()
        await floor.scans(f"LSW{ORDER}")
        floor.press.start()
        for _ in range(40):
            what = chance.choice(("take", "take", "step", "correct", "kill", "reboot", "battery"))
            if what == "step":
                machine.ntp("unsynced")
                machine.step(chance.choice((-40 * HOUR, -3 * HOUR, -90, -1, 1, 90, 3 * HOUR, 40 * HOUR)))
            elif what == "correct":
                machine.correct()
            elif what == "kill":
                await floor.children["collect"].kill()
                await shift.start()
            elif what in ("reboot", "battery"):
                await shift.power_cut()
                off_s = chance.choice((30, 2 * HOUR, 30 * HOUR))
                machine.reboot(off_s, IN_1970 if what == "battery" else None)
                await shift.start()
            await shift.take()
        machine.correct()
        floor.press.stop()
        await floor.scans("LSE1042")
        await floor.posted()
        await shift.undisturbed()
        named = shift.named()
        assert {seq for seq, day in (await shift.at_erp()).values() if day is None} <= named
        assert not [seq for seq, day in (await shift.at_erp()).values() if day is not None and seq in named]
        await floor.children["sync"].stop()
        await shift.reconciled()
