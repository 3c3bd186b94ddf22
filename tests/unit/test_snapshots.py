"""The stations' state is kept before the facts that it came of are forgotten, whatever the disk does."""

from pathlib import Path

from edge.alerts import Alerts
from edge.upkeep import PORTION, Upkeep
from tests.unit.test_collector import Rig, rigged

REFUSED = """
CREATE TEMP TRIGGER refused BEFORE INSERT ON snapshot
BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END
"""


async def kept(rig: Rig) -> int:
    """The last event that the snapshot on the disk holds."""
    snapshot = await rig.journal.snapshot()
    return snapshot.seq if snapshot else 0


async def work(rig: Rig, facts: int) -> None:
    for number in range(facts):
        await rig.scan(f"LSCSCRAP0{4 + number % 2}")


async def forget(rig: Rig) -> None:
    """Everything is settled, and nothing has to be kept for its age."""

    async def no_pause(_: float) -> None: ...

    rig.clock.advance(1)
    done = {rig.journal.epoch: rig.journal.head}
    await Upkeep(
        rig.journal,
        rig.clock,
        0,
        Alerts(rig.journal, rig.clock),
        lambda: rig.collector.snapshot_seq,
        lambda found: done,
        no_pause,
    ).forget()


async def test_nothing_is_forgotten_behind_a_snapshot_that_could_not_be_kept(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await rig.collector.probe()
        held = await kept(rig)
        await rig.journal.note(REFUSED)
        await work(rig, 3 * PORTION)
        await rig.collector.probe()
        assert (await kept(rig), rig.collector.snapshot_seq) == (held, held)
        await forget(rig)
        before = rig.collector.line
    async with rigged(tmp_path, start=False) as rig:
        assert rig.collector.line == before


async def test_a_stop_keeps_the_snapshot_that_could_not_be_kept_before(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await rig.journal.note(REFUSED)
        await work(rig, 3)
        await rig.collector.probe()
        await rig.journal.note("DROP TRIGGER temp.refused")
        await rig.collector.close()
        assert await kept(rig) == rig.journal.head
