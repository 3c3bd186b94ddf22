"""A receiver behind what the journal forgot is told of by name, and nothing of it is ever proven."""

from pathlib import Path

from sync.certificates.record import load_open, load_standing
from sync.status import load_status
from tests.contract.uplink.receiver import says
from tests.contract.uplink.rig import Rig, facts, rigged
from tests.contract.uplink.test_epochs import damaged
from tests.contract.uplink.test_reconciler import compared


def told(rig: Rig, key: str) -> list[str]:
    return [one.text for one in load_status(rig.store.path).alerts if one.key == key and not one.cleared_ms]


async def settled_three_then_pruned(rig: Rig, through: int = 10) -> None:
    """It took three, was taken out of the configuration, and others let the journal be pruned."""
    rig.receiver.reconciliation = {"match": True}
    rig.receiver.moods.extend([None, says(503)])  # type: ignore[list-item]
    rig.start(batch_events=3)
    await rig.until(lambda: rig.seq == 3)
    await rig.stop()
    rig.receiver.moods.clear()
    await rig.store.retire([], 1)
    await rig.journal.prune(through)
    await rig.store.retire(["erp"], 2)


async def test_what_was_pruned_meanwhile_is_named_and_the_rest_delivered(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await settled_three_then_pruned(rig)
        await rig.deliver(batch_events=500)
        assert [seq for seq, _ in rig.receiver.posted] == [1, 2, 3, *range(10, 21)]
        (text,) = told(rig, f"uplink.erp.forgotten.{rig.journal.epoch}:4")
        assert "erp: seq 4 to 9 are not in" in text
        assert rig.alerts() == [f"uplink.erp.forgotten.{rig.journal.epoch}:4"]


async def test_no_comparison_makes_a_match_of_what_was_never_delivered(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await settled_three_then_pruned(rig)
        rig.start(batch_events=500)
        await rig.drained()
        for _ in range(2):
            outcome = await compared(rig)
            assert not outcome.match and outcome.unproven == 1
            (one,) = load_open(rig.store.path, "erp")
            assert one.span == (rig.journal.epoch, 4, 9) and not one.match
            assert load_standing(rig.store.path)["erp"].unproven == 1
        assert rig.alerts() == [f"uplink.erp.forgotten.{rig.journal.epoch}:4"]


async def test_what_is_pruned_while_it_waits_is_named_too(tmp_path: Path) -> None:
    """The collector does not know the uplink: its configuration is older."""
    async with rigged(tmp_path, batch_events=3) as rig:
        rig.receiver.always = says(503)
        rig.start()
        await rig.until(lambda: rig.status is not None and rig.status.state == "backoff")
        await rig.journal.prune(8)
        rig.receiver.always = None
        await rig.drained()
        gone = sorted(set(range(1, 21)) - {seq for seq, _ in rig.receiver.posted})
        assert gone[0] in (1, 4) and gone[-1] == 7  # what was read before was delivered
        (text,) = told(rig, f"uplink.erp.forgotten.{rig.journal.epoch}:{gone[0]}")
        assert f"seq {gone[0]} to 7 are not" in text


async def test_a_new_uplink_begins_where_the_journal_does_and_says_so_until_the_next_start(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.reconciliation = {"match": True}
        await rig.journal.prune(10)
        rig.start()
        await rig.drained()
        assert rig.alerts() == ["uplink.erp.begun"]
        assert "seq 1 to 9 are forgotten" in told(rig, "uplink.erp.begun")[0]
        assert (await compared(rig)).match  # what was before is none of its business
        await rig.store.retire(["erp"], 5)
        assert rig.alerts() == []


async def test_what_a_damaged_journal_lost_is_nothing_that_was_forgotten(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await damaged(rig, 12)
        await rig.append(*facts(2, first=100))
        await rig.deliver()
        assert rig.alerts() == [] and load_open(rig.store.path) == []
