"""Reconciliation over the wire: figures go out, the answer is kept as a certificate."""

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest

from edge.events import ClockStepped, MaterialConsumed, WorkCorrected
from edge.faults import UplinkFault
from sync.certificates.record import Certificate
from sync.http import HttpUplink
from sync.reconcile import Range, Reconciliation
from tests.contract.uplink.receiver import results
from tests.contract.uplink.rig import Rig, rigged


async def compared(rig: Rig, first: int, last: int) -> Certificate | None:
    """This range of the journal, compared."""
    rig.uplink = HttpUplink("erp", rig.settings, rig.time)
    journal = rig.folder / "journal.db"
    return await Reconciliation(rig.uplink, rig.store, journal, rig.time).compare(Range(journal, first, last))


def steel(quantity: str, date: str | None = "2026-11-22") -> MaterialConsumed:
    return MaterialConsumed(
        work_order="W", operation="1", posting_date=date, material="S", quantity=Decimal(quantity),
        unit="KGM", method="scanned", use="production", posted_by="edge",
    )  # fmt: skip


async def test_figures_go_out_and_the_answer_is_kept(tmp_path: Path) -> None:
    async with rigged(tmp_path, 1) as rig:
        ids = await rig.append(*(steel(quantity) for quantity in ("1", "2", "4", "8")))
        await rig.append(
            WorkCorrected(
                corrects=ids[0], reason="did_not_occur", person="chief", posting_date="2026-11-23",
                work_order="W", operation="1",
            )
        )  # fmt: skip
        rig.receiver.poison = {4}
        rig.receiver.moods.append(
            results(lambda found: {"results": [{**one, "posting_date": "2026-12-01"} for one in found]})
        )
        await rig.deliver()
        rig.receiver.reconciliation = {"match": True, "missing": [], "differences": []}
        found = await compared(rig, 3, 6)
        assert found is not None and not found.match, "nothing matches while a fact is rejected"
        expected = await rig.expected()
        kept = [id_ for seq, id_ in expected if seq in (3, 5, 6)]
        common = {"work_order": "W", "operation": "1", "material": "S", "kind": "scanned", "unit": "KGM"}
        assert rig.receiver.reconciliations == [
            {
                "source": rig.journal.source,
                "from_seq": 3,
                "to_seq": 6,
                "count": 3,
                "digest": hashlib.sha256("\n".join(kept).encode()).hexdigest(),
                "excluded": [4],
                "totals": [{"posting_date": "2026-12-01", **common, "quantity": "9"}],
            }
        ]
        rows = await rig.store.rows("SELECT uplink, from_seq, to_seq, match FROM certificates")
        assert [tuple(row) for row in rows] == [("erp", 3, 6, 0)]


async def test_of_a_fact_that_was_posted_later_the_later_date_counts(tmp_path: Path) -> None:
    def on(date: str) -> None:
        rig.receiver.moods.append(
            results(lambda found: {"results": [{**one, "posting_date": date} for one in found]})
        )

    async with rigged(tmp_path, 1) as rig:
        ids = await rig.append(*(steel(quantity) for quantity in ("1", "2", "4", "8", "16")))
        rig.receiver.poison = {3, 4, 5}
        on("2026-12-01")
        rig.start()
        await rig.drained()
        rig.receiver.poison = set()
        for date, retried in (("2026-12-04", ids[2:3]), ("2026-12-05", ids[1:4:2])):
            rig.receiver.moods.append(results(lambda found: {"results": found}))  # the decision itself
            on(date)
            await rig.review("retried", retried)
            left = len(rig.quarantine) - len(retried)
            await rig.until(lambda left=left: len(rig.quarantine) == left)  # type: ignore[misc]
        await rig.stop()
        rig.receiver.reconciliation = {"match": True}
        found = await compared(rig, 1, 6)
        assert found is not None
        by_date = {one.posting_date: str(one.quantity) for one in found.report.totals}
        assert by_date == {"2026-12-01": "17", "2026-12-04": "4", "2026-12-05": "10"}


async def test_a_date_given_by_a_step_behind_the_range_counts(tmp_path: Path) -> None:
    async with rigged(tmp_path, 1) as rig:
        await rig.append(steel("1", None), steel("2", None), steel("4"))
        await rig.append(ClockStepped(from_seq="2", to_seq="2", posting_date="2026-11-21"))
        await rig.append(ClockStepped(from_seq="3", to_seq="3", posting_date="2026-11-23"))
        rig.receiver.poison = {6}
        await rig.deliver()
        rig.receiver.reconciliation = {"match": True}
        found = await compared(rig, 1, 4)
        assert found is not None
        by_date = {one.posting_date: str(one.quantity) for one in found.report.totals}
        assert by_date == {"2026-11-21": "1", None: "2", "2026-11-22": "4"}, "6 is not held there"


async def test_a_match_is_a_match(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        rig.receiver.reconciliation = {"match": True}
        found = await compared(rig, 1, 20)
        assert found is not None and found.match and found.report.count == 20


async def test_404_means_not_offered(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        assert await compared(rig, 1, 20) is None


async def test_what_is_not_settled_is_not_compared(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        with pytest.raises(UplinkFault, match="cannot be compared"):
            await compared(rig, 1, 20)
        await rig.stop()
        await rig.deliver()
        for first, last in ((0, 5), (5, 4), (1, 21)):
            with pytest.raises(UplinkFault, match="cannot be compared"):
                await compared(rig, first, last)
            await rig.stop()


async def test_an_answer_that_is_none_leaves_no_certificate(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        rig.receiver.reconciliation = {"ok": 1}
        with pytest.raises(UplinkFault, match="reconciliation answered 200"):
            await compared(rig, 1, 20)
        assert await rig.store.rows("SELECT * FROM certificates") == []
