"""What is held back has a worth only where the price is known."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from edge.events import MaterialConsumed, Output, Resources, WorkReported, decode
from edge.masterdata import MasterData, parse
from edge.ring import Ring, Sample
from sync.certificates.scanned import scanned
from sync.heldback import HeldBack, worth
from tests.unit.sync.making import stored

LISTS: Any = {
    "materials": [
        {
            "material": "S", "unit": "KGM", "price": "2.50", "price_per": "10", "currency": "CNY",
            "units": [{"unit": "LBR", "numerator": "0.45359237", "denominator": "1"}],
        },
        {"material": "P", "unit": "C62", "price": "12", "currency": "CNY"},
        {"material": "N", "unit": "C62"},
    ]
}  # fmt: skip


def consumed(material: str, quantity: str, unit: str = "KGM", **more: Any) -> MaterialConsumed:
    given: dict[str, Any] = {"posted_by": "edge", **more}
    return MaterialConsumed(
        work_order="W", material=material, quantity=Decimal(quantity), unit=unit, method="scanned",
        use="production", **given,
    )  # fmt: skip


def test_worth_is_quantity_times_price_in_the_materials_unit_and_unknown_is_not_nought() -> None:
    made = Output(material="P", role="main", disposition="good", quantity=Decimal(3), unit="C62")
    report = WorkReported(work_order="W", outputs=(made,), resources=Resources(machine_s=Decimal(60)))
    facts = (
        consumed("S", "4"), consumed("S", "6"), consumed("S", "100", "LBR"), consumed("S", "1", "MTR"),
        consumed("N", "5", "C62"), consumed("?", "5"), consumed("S", "99", posted_by="erp"), report,
    )  # fmt: skip
    held = HeldBack()
    held.take(decode(body) for _, body in stored(*facts))
    found = held.priced(MasterData(parse(msgspec.json.encode(LISTS))))
    assert {(one.material, one.kind, one.unit): one.value for one in found} == {
        ("S", "scanned", "KGM"): Decimal("2.5"),
        ("S", "scanned", "LBR"): Decimal("11.339809"),
        ("S", "scanned", "MTR"): None,
        ("N", "scanned", "C62"): None,
        ("?", "scanned", "KGM"): None,
        ("P", "good", "C62"): Decimal(36),
        (None, "machine_s", "SEC"): None,
    }
    assert worth(found) == {("consumed", "CNY"): Decimal("13.839809"), ("made", "CNY"): Decimal(36)}


def test_scans_are_counted_as_long_as_the_evidence_reaches_back(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    assert scanned(path, 0, 10) is None
    ring = Ring(path, 1 << 20)
    ring.write(
        [
            Sample(at_ms, kind, "gun", "OP20", "LSQ1", verdict)
            for at_ms, kind, verdict in (
                (100, "scan", "recorded"), (101, "scan", "recorded"), (102, "scan", "refused"),
                (103, "edge", "good"), (104, "scan", "pending"), (105, "scan", "recorded"),
                (106, "scan", "recorded"),
            )
        ]
    )  # fmt: skip
    ring.close()
    assert scanned(path, 100, 105) == 2
    assert scanned(path, 99, 105) is None, "what was before is forgotten"
    (tmp_path / "samples.db").write_bytes(b"x" * 4096)
    assert scanned(path, 100, 105) is None
