"""Copies of the data folder: taken under load, put back here and elsewhere, twice, late, or behind our back.

However a copy comes to life, no number is used twice, nothing is posted twice, and what it lacks is declared.
"""

import asyncio
import os
import shutil
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.demo.endpoint import Endpoint
from edge.schema import sync_directory
from sync.status import Waiting, load_quarantine, load_status
from tests.faults.accounts import Account, Numbers, outcome
from tests.faults.survival import Record
from tests.line.plant import Line, command, line, until

HALTED = "uplink.erp.halted"


@asynccontextmanager
async def another_pc(folder: Path, erp: Endpoint) -> AsyncIterator[Line]:
    """A PC with its own gun and press that delivers to the same ERP under the same edge id."""
    folder.mkdir()
    async with line(folder) as floor:
        await floor.erp.cut()
        floor.erp = erp
        floor.configure()
        yield floor


async def lived(account: Account, delivered: int, waiting: int) -> None:
    """A line that works; what came last waits for the network."""
    await account.start()
    await account.begin()
    await account.take(delivered)
    await account.drained()
    await account.floor.erp.cut()
    await account.take(waiting)
    account.note()


async def stopped(floor: Line) -> None:
    for name in ("sync", "collect"):
        if name in floor.children:
            await floor.children[name].stop()


async def backed_up(floor: Line, target: Path) -> None:
    code, told, complained = await command("backup", target, "--config", floor.config)
    assert code == 0 and "through seq" in told, complained


async def restored(floor: Line, folder: Path) -> None:
    code, _, complained = await command("restore", folder, "--config", floor.config)
    assert code == 0, complained


async def came_to_life(account: Account) -> None:
    """Start on what is there; the order goes on; a person is told."""
    await account.start()
    screen = await account.floor.screen()
    if screen["work_order"] is None:
        await account.begin()
    await account.take(4)
    assert any(key.startswith("journal.") for key in await account.standing())


async def delivered(record: Record, kind: str, *accounts: Account) -> None:
    """Everything arrives; each journal is sound; nothing is lost, doubled or refused."""
    for account in accounts:
        await account.drained()
        account.note()
        await account.verified()
    record(await outcome("copies", kind, *accounts))


async def test_a_backup_is_taken_while_the_line_runs_and_scans_do_not_wait_for_it(
    tmp_path: Path, record: Record
) -> None:
    async with line(tmp_path, cycle_s=0.1) as floor:
        account = Account(floor)
        await account.start()
        await account.begin()
        floor.press.start()
        alone = await timed(account, 30)
        copying = asyncio.create_task(command("backup", tmp_path / "copy", "--config", floor.config))
        beside: list[float] = []
        while not copying.done():
            beside += await timed(account, 2)
        assert (await copying)[0] == 0
        # The backup is a process of its own on the same cores; what matters is that nobody waits for a lock.
        assert statistics.quantiles(beside, n=20)[-1] < 2.0, (max(alone), max(beside))
        known = len(account.acknowledged)
        await account.take(3)
        await account.drained()
        await stopped(floor)
        account.note()
        await restored(floor, tmp_path / "copy")
        await came_to_life(account)
        assert len(account.acknowledged) > known
        assert not [key for key in await account.standing() if key.endswith(".lost")]
        await delivered(record, "taken under load, put back", account)


async def timed(account: Account, times: int) -> list[float]:
    """Take so often; how long each took, in seconds."""
    found = []
    for _ in range(times):
        began_s = time.monotonic()
        await account.take(1)
        found.append(time.monotonic() - began_s)
    return found


async def test_two_pcs_that_wake_up_from_one_backup_use_no_number_twice(
    tmp_path: Path, record: Record
) -> None:
    """It is older than what the ERP holds, and the dead PC's last facts are in it once."""
    numbers = Numbers()
    (tmp_path / "first").mkdir()
    async with line(tmp_path / "first") as floor:
        account = Account(floor, numbers)
        await lived(account, 6, 3)
        await backed_up(floor, tmp_path / "copy")
        await floor.erp.restore()
        await account.take(5)  # the ERP holds them, the backup does not
        await account.drained()
        account.note()
        await stopped(floor)
        async with (
            another_pc(tmp_path / "second", floor.erp) as second,
            another_pc(tmp_path / "third", floor.erp) as third,
        ):
            pcs = [Account(second, numbers), Account(third, numbers)]
            for pc in pcs:
                await restored(pc.floor, tmp_path / "copy")
            for pc in pcs:
                await came_to_life(pc)
            await delivered(record, "one backup on two PCs", account, *pcs)
            epochs_seen = {pc.read()[-1][0] for pc in (account, *pcs)}
            assert len(epochs_seen) == 3
            await stopped(second)
            await stopped(third)


@pytest.mark.slow
async def test_a_plain_copy_of_the_folder_begins_an_epoch_each_time(tmp_path: Path, record: Record) -> None:
    numbers = Numbers()
    (tmp_path / "first").mkdir()
    async with line(tmp_path / "first") as floor:
        account = Account(floor, numbers)
        await lived(account, 6, 3)
        shutil.copytree(floor.folder / "data", tmp_path / "copied")  # while it runs, as people do
        await floor.erp.restore()
        await account.take(5)
        await stopped(floor)
        async with another_pc(tmp_path / "second", floor.erp) as second:
            shutil.copytree(tmp_path / "copied", second.folder / "data")
            pc = Account(second, numbers)
            await came_to_life(pc)
            await account.start()
            await account.take(2)
            await delivered(record, "cp -r, both go on", account, pc)
            await stopped(second)


@pytest.mark.slow
async def test_the_successor_of_a_dead_pc_begins_an_epoch(tmp_path: Path, record: Record) -> None:
    numbers = Numbers()
    (tmp_path / "first").mkdir()
    async with line(tmp_path / "first") as floor:
        account = Account(floor, numbers)
        await account.start()
        await account.begin()
        await account.take(6)
        await account.drained()
        account.note()
        await stopped(floor)
        async with another_pc(tmp_path / "second", floor.erp) as second:
            code, told, _ = await command("init", "--replace", "--config", second.config)
            assert code == 0 and "epoch" in told
            pc = Account(second, numbers)
            await came_to_life(pc)
            assert ("", "1-") in pc.declared()
            await delivered(record, "init --replace", account, pc)
            await stopped(second)


@pytest.mark.slow
async def test_a_backup_put_back_where_the_line_went_on_loses_nothing(tmp_path: Path, record: Record) -> None:
    """The journal that is there is set aside and delivered too."""
    async with line(tmp_path) as floor:
        account = Account(floor)
        await lived(account, 6, 3)
        await backed_up(floor, tmp_path / "copy")
        await account.take(5)
        account.note()
        await stopped(floor)
        await restored(floor, tmp_path / "copy")
        await floor.erp.restore()
        await came_to_life(account)
        await delivered(record, "put back on the same folder", account)


def rolled_back(kept: Path, data: Path) -> None:
    """As a virtual machine's snapshot: every file has the content of then, and stays the file that it is."""
    for path in data.iterdir():
        if not (kept / path.name).exists():
            path.unlink()
    for path in kept.iterdir():
        with (data / path.name).open("r+b" if (data / path.name).exists() else "wb") as file:
            file.write(path.read_bytes())
            file.truncate()
            os.fsync(file.fileno())
    sync_directory(data)


@pytest.mark.parametrize("waiting", [0, 3])
async def test_a_rolled_back_machine_is_stopped_by_the_receiver_and_says_so(
    waiting: int, tmp_path: Path, record: Record
) -> None:
    """Nothing on the machine can tell. The receiver holds other facts under the same numbers."""
    async with line(tmp_path) as floor:
        account = Account(floor)
        await account.start()
        await account.begin()
        await account.take(5)
        await account.drained()
        if waiting:
            await floor.erp.cut()
            await account.take(waiting)
        await stopped(floor)
        data = floor.folder / "data"
        kept = Path(shutil.copytree(data, tmp_path / "snapshot"))
        await floor.erp.restore()
        await account.start()
        await account.take(6)
        await account.drained()
        await stopped(floor)
        account.note()
        held = await floor.at_erp()
        rolled_back(kept, data)
        await account.start()
        rolled = Account(floor, account.numbers)
        await rolled.take(2)

        async def halted() -> bool:
            return HALTED in await rolled.standing()

        await until(halted, "the halt")
        assert load_status(data / "sync.db").uplinks[0].state == "halted"
        text = (await rolled.standing())[HALTED]
        assert "other facts under the same numbers" in text
        await rolled.take(8)  # the line goes on, past the numbers that the receiver holds
        await floor.children["sync"].stop()
        await floor.start("sync")
        await asyncio.sleep(1)
        assert await floor.at_erp() == held, "a restart of sync sends nothing behind the fork"
        await floor.children["collect"].stop()
        await rolled.start()  # as the alert says: new facts go on under new numbers
        await rolled.take(3)
        await rolled.drained()
        assert HALTED not in await rolled.standing()
        assert len(await accounted(rolled, held)) == 10, "what was taken behind the fork"
        await decided(floor, "retry")
        await until(lambda: [one.state for one in waits(data)] == ["waiting"] * 7, "those with free numbers")
        # Six numbers are taken, and the fact behind them does not follow on the one that the receiver holds.
        assert len(await accounted(rolled, held)) == 7
        await decided(floor, "discard")
        await until(lambda: not waits(data), "an empty quarantine")


def waits(data: Path) -> list[Waiting]:
    """What is in quarantine."""
    return load_quarantine(data / "sync.db")


async def accounted(account: Account, held: list[tuple[str, int, str]]) -> set[str]:
    """Each fact of the folder's journals is booked or in quarantine, none in both; those that wait."""
    await account.drained()
    at_erp = [id_ for id_, _, status in await account.floor.at_erp() if status == "accepted"]
    waiting = {one.id for one in waits(account.floor.folder / "data")}
    recorded = {event.id for _, event in account.read()}
    assert len(at_erp) == len(set(at_erp)) and {id_ for id_, _, _ in held} <= set(at_erp)
    assert recorded <= waiting | set(at_erp) and not waiting & set(at_erp)
    return waiting


async def decided(floor: Line, how: str) -> None:
    """A person decides about everything in quarantine."""
    by = ("--person", "2001", "--note", "entered by hand")
    code, told, complained = await command("outbox", how, "--all", *by, "--config", floor.config)
    assert code == 0, told + complained
