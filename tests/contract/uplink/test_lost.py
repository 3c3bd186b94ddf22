"""What a receiver took and a journal lost since: told apart from differences, and never green."""

from pathlib import Path

import pytest

from edge.faults import UplinkFault
from edge.settings import Edge, Storage
from sync.certificates.page import page, verdict
from sync.certificates.record import LOST, load_open
from sync.keeping import Keeping
from sync.status import load_status
from tests.contract.uplink.rig import rigged
from tests.contract.uplink.test_epochs import damaged
from tests.contract.uplink.test_reconciler import (
    DAY_MS,
    changes,
    compared,
    kept,
    posting,
    reconciler,
    steel,
    swallows,
)

EDGE = Edge(id="edge", site="site", line="L3", timezone="Asia/Shanghai")


@pytest.mark.parametrize("at", [6, 4], ids=["tail", "middle"])
async def test_what_a_journal_lost_is_told_by_the_receiver_apart_and_is_never_green(
    tmp_path: Path, at: int
) -> None:
    async with posting(tmp_path) as (rig, _):
        await rig.append(*(steel(quantity) for quantity in ("1", "2", "4", "8", "16")))
        rig.start()
        await rig.drained()
        await rig.stop()
        gone = rig.journal.epoch
        await damaged(rig, at)
        rig.start()
        await rig.drained()
        outcome = await compared(rig)
        assert not outcome.match and outcome.unproven == 1
        (told,) = [one for one in kept(rig) if one.occasion == LOST]
        assert all(one.match for one in kept(rig) if one.id != told.id)
        assert (told.span, told.match, verdict(told)) == ((gone, at, at), False, "lost")
        counts = told.findings.counts
        assert (counts.stored, counts.sent, told.posted, told.missing) == (0, 1, 1, ())
        figures = {one.what: (one.here, one.there) for one in told.differences}
        assert figures["count"] == ("0", "1")
        assert figures["2026-11-18 W 1 S scanned KGM"] == ("0", {6: "16", 4: "4"}[at])
        assert rig.alerts() == [f"uplink.erp.lost.{gone}"], "it is no difference"
        (alert,) = load_status(rig.store.path).alerts
        assert f"has lost since, seq {at}. It holds 1 of them" in alert.text
        assert [one.id for one in load_open(rig.store.path)] == [told.id]
        assert "仅对方持有" in page(told, EDGE)

        asked = len(kept(rig))
        assert not (await compared(rig)).match, "also when it is asked again"
        assert len(kept(rig)) == asked
        (tmp_path / f"journal-{gone}.db").unlink()
        await Keeping(rig.store, tmp_path / "journal.db", Storage(), rig.time, rig.time.sleep).look()
        assert rig.alerts() == [] and load_open(rig.store.path) == [], "the journal itself is forgotten"


async def test_what_neither_side_holds_is_no_match_either_and_nothing_is_sent_again(tmp_path: Path) -> None:
    async with posting(tmp_path) as (rig, endpoint):
        swallows(endpoint, 4)
        await rig.append(steel("1"), steel("2"), steel("4"))
        rig.start()
        await rig.drained()
        await rig.stop()
        await damaged(rig, 4)
        rig.start()
        await rig.drained()
        assert not (await compared(rig)).match
        (told,) = [one for one in kept(rig) if one.occasion == LOST]
        assert (told.posted, told.missing, told.findings.resent) == (0, (4,), 0)
        (alert,) = load_status(rig.store.path).alerts
        assert "It holds 0 of them" in alert.text


@pytest.mark.parametrize("at", [6, 4], ids=["tail", "middle"])
async def test_a_range_that_differed_and_lost_something_since_is_compared_in_parts(
    tmp_path: Path, at: int
) -> None:
    async with posting(tmp_path) as (rig, endpoint):
        await rig.append(*(steel(quantity) for quantity in ("1", "2", "4", "8", "16")))
        rig.start()
        await rig.drained()
        changes(endpoint, 3, '"quantity":"2"', '"quantity":"3"')
        assert not (await compared(rig)).match
        await rig.stop()
        await damaged(rig, at)
        rig.start()
        await rig.drained()
        await compared(rig)
        first = next(one for one in kept(rig)[1:] if one.report.from_seq == 1)
        assert (first.report.to_seq, len(first.differences)) == (at - 1, 1), "what was changed, nothing else"
        changes(endpoint, 3, '"quantity":"3"', '"quantity":"2"')
        await compared(rig)
        assert [one.occasion for one in load_open(rig.store.path)] == [LOST]
        assert [key for key in rig.alerts() if "reconciliation" in key] == []


async def test_a_receiver_that_does_not_tell_what_it_holds_of_the_lost_delays_nothing(tmp_path: Path) -> None:
    async with rigged(tmp_path, 6, reconcile_after_s=0) as rig:
        await rig.deliver()
        gone = rig.journal.epoch
        await damaged(rig, 6)
        rig.start()
        await rig.drained()
        rig.receiver.reconciliation = {"match": True}
        rig.receiver.mute_from = {6}
        with pytest.raises(UplinkFault, match="answered 503"):
            await compared(rig)
        assert [one.match for one in kept(rig)] == [True, True], "all that is held was compared"
        assert rig.alerts() == [f"uplink.erp.lost.{gone}"]
        rig.time.now_ms += DAY_MS
        await reconciler(rig).look()
        assert await rig.store.rows("SELECT 1 FROM reconciled"), "and the day was compared"
        assert "has not said yet" in load_status(rig.store.path).alerts[0].text
        rig.receiver.mute_from = set()
        outcome = await compared(rig)
        assert not outcome.match, "its word that nothing matches nothing proves nothing"
        assert "It holds 0 of them" in load_status(rig.store.path).alerts[0].text
