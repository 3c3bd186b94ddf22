"""The proof at the end of `lineside demo --once`: floor, journal and ERP side by side, to the last digit.

Floor figures are the operator's own tally and the press's own counter, journal figures come from the stored
events, ERP figures from what the endpoint shows. Costs are reckoned again here from the tally, the stored
seconds and the ERP's prices, by plain arithmetic that shares no code with the cost sheet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

import aiohttp
import msgspec

from edge.demo.operator import Tally as Done
from edge.demo.plant import Plant
from edge.events import Event, MaterialConsumed, WorkCorrected, WorkReported, decode
from edge.journal import Reader, Verification, verify
from sync.tally import tallied

ZERO = Decimal(0)
METER_KWH = Decimal("0.001")  # what the facts resolve
HOUR = Decimal(3600)


@dataclass(frozen=True)
class Row:
    """One figure in up to three places. `within`: how near the floor's own instrument must come."""

    what: str
    floor: str
    journal: str
    erp: str
    within: Decimal = ZERO

    @property
    def same(self) -> bool:
        near = not self.floor or abs(Decimal(self.floor) - Decimal(self.journal)) <= self.within
        return near and Decimal(self.journal) == Decimal(self.erp)


@dataclass(frozen=True)
class Comparison:
    """All rows, and whether the journal is sound."""

    rows: tuple[Row, ...]
    verification: Verification

    @property
    def equal(self) -> bool:
        return all(row.same for row in self.rows) and not self.verification.problems


async def compare(plant: Plant, tally: Done) -> Comparison:
    """Compare everything of one work order, and the delivery of the whole journal."""
    async with await Reader.open(plant.journal) as reader:
        verification = await verify(reader)
        events = [decode(body) for _, body in await _all(reader)]
    async with aiohttp.ClientSession() as session:
        received = await _json(session, f"{plant.erp.pages_url}/received.json")
        sheet = await _json(session, f"{plant.erp.pages_url}/orders/{tally.work_order}.json")
        disagreements = await _reconciled(session, plant, events)
    prices = msgspec.json.decode((plant.folder / "masterdata.json").read_bytes())
    mine = standing([event for event in events if event.data.work_order == tally.work_order])
    rows = (
        *_delivered(events, received),
        Row("reconciliation: ids and totals that differ", "", "0", str(disagreements)),
        *_quantities(tally, mine, sheet),
        *_costs(tally, mine, sheet, prices),
    )
    return Comparison(rows, verification)


def standing(events: list[Event]) -> list[Event]:
    """Events that no correction cancels."""
    cancelled = {event.data.corrects for event in events if isinstance(event.data, WorkCorrected)}
    return [event for event in events if event.id not in cancelled]


def _delivered(events: list[Event], received: dict[str, Any]) -> Iterator[Row]:
    (source,) = received["sources"] or [dict.fromkeys(("accepted", "rejected", "missing_count", "count"), -1)]
    yield Row("events", "", str(len(events)), str(source["count"]))
    yield Row("events posted", "", str(len(events)), str(source["accepted"]))
    yield Row("events rejected or missing", "", "0", str(source["rejected"] + source["missing_count"]))


def _quantities(tally: Done, events: list[Event], sheet: dict[str, Any]) -> Iterator[Row]:
    for disposition, floor in (("good", tally.good), ("scrap", tally.scrap + tally.setup_scrap)):
        journal = sum(
            (
                output.quantity
                for event in events
                if isinstance(event.data, WorkReported)
                for output in event.data.outputs
                if output.disposition == disposition
            ),
            ZERO,
        )
        erp = sum((Decimal(o["quantity"]) for o in sheet["outputs"] if o["disposition"] == disposition), ZERO)
        yield Row(f"{disposition} pieces", str(floor), str(journal), str(erp))
    for lot, floor_quantity in sorted(tally.consumed.items()):
        consumed = sum((f.quantity for f in _consumptions(events) if f.lot == lot), ZERO)
        posted = sum((Decimal(line["quantity"]) for line in sheet["lines"] if line.get("lot") == lot), ZERO)
        yield Row(f"lot {lot}", str(floor_quantity), str(consumed), str(posted))


def _costs(tally: Done, events: list[Event], sheet: dict[str, Any], prices: dict[str, Any]) -> Iterator[Row]:
    center = next(one for one in prices["work_centers"] if one["work_center"] == "WC-PRESS-1")
    material = sum((_price(fact, prices) for fact in _consumptions(events)), ZERO)
    run_s, setup_s, labour_s, energy_kwh = _resources(events)
    machine_s = run_s + setup_s
    costs = {
        "material": material,
        "machine": machine_s * Decimal(center["machine_rate"]) / HOUR,
        "labour": labour_s * Decimal(center["labour_rate"]) / HOUR,
        "energy": energy_kwh * Decimal(center["energy_tariff"]),
    }
    yield Row("set-up seconds", "", str(setup_s), str(_sum(sheet, "machine", "quantity", "setup")))
    yield Row(
        "machine run seconds",
        f"{tally.machine_s:.1f}",
        str(run_s),
        str(_sum(sheet, "machine", "quantity", "run")),
        Decimal(tally.machine_within_s).quantize(Decimal("0.1"), ROUND_UP),
    )
    yield Row("labour seconds", "", str(labour_s), str(_sum(sheet, "labour", "quantity")))
    yield Row(
        "energy kWh",
        f"{tally.energy_kwh:.4f}",
        str(energy_kwh),
        str(_sum(sheet, "energy", "quantity")),
        METER_KWH,
    )
    for element, cost in costs.items():
        yield Row(f"{element} cost", "", _money(cost), _money(_sum(sheet, element, "amount")))
    yield Row("total cost", "", _money(sum(costs.values(), ZERO)), _money(Decimal(sheet["total"]["value"])))


def _price(fact: MaterialConsumed, prices: dict[str, Any]) -> Decimal:
    material = next(one for one in prices["materials"] if one["material"] == fact.material)
    return fact.quantity * Decimal(material["price"]) / Decimal(material["price_per"])


def _consumptions(events: list[Event]) -> list[MaterialConsumed]:
    return [event.data for event in events if isinstance(event.data, MaterialConsumed)]


def _resources(events: list[Event]) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    run_s = setup_s = labour_s = energy_kwh = ZERO
    for event in events:
        held = event.data.resources if isinstance(event.data, WorkReported) else None
        if held is None:
            continue
        run_s += held.machine_s if isinstance(held.machine_s, Decimal) else 0
        setup_s += held.setup_s if isinstance(held.setup_s, Decimal) else 0
        energy_kwh += held.energy_kwh if isinstance(held.energy_kwh, Decimal) else 0
        labour_s += sum((one.s for one in held.labour), ZERO) if isinstance(held.labour, tuple) else 0
    return run_s, setup_s, labour_s, energy_kwh


def _sum(sheet: dict[str, Any], element: str, key: str, detail: str | None = None) -> Decimal:
    lines = [line for line in sheet["lines"] if line["element"] == element]
    return sum((Decimal(line[key]) for line in lines if detail in (None, line["detail"])), ZERO)


def _money(value: Decimal) -> str:
    """A cost as the ERP's page shows it is rounded; here to twelve places, past every division."""
    return format(value.quantize(Decimal("1e-12")).normalize(), "f")


async def _reconciled(session: aiohttp.ClientSession, plant: Plant, events: list[Event]) -> int:
    """How much the ERP finds different by the contract's own reconciliation: ids and totals."""
    body = msgspec.json.encode(tallied(events).report(events[0].source, 1, events[-1].seq))
    headers = {"Authorization": f"Bearer {(plant.folder / 'erp-token').read_text()}"}
    url = f"{plant.erp.url}/reconciliation"
    async with session.post(url, data=body, headers=headers | {"Content-Type": "application/json"}) as answer:
        found = await answer.json()
    return 0 if found["match"] else max(1, len(found["missing"]) + len(found["differences"]))


async def _all(reader: Reader) -> list[tuple[int, bytes]]:
    rows: list[tuple[int, bytes]] = []
    while page := await reader.read_after(rows[-1][0] if rows else 0, 1000):
        rows += page
    return rows


async def _json(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as answer:
        found: dict[str, Any] = await answer.json()
        return found
