"""What the plant's ERP says of the week's orders; the rates make a second cost whole hundredths."""

import json
from decimal import Decimal

STRIP_KG = Decimal("0.25")  # backflushed for each piece of the first press
LOT_KG = Decimal(400)
STRIP_LOTS = tuple(f"S{number:03}" for number in range(1, 90))
SCANNED_LOTS = {"A2207": "STEEL-4", "N8841": "NUT-M6"}
UNITS = {  # what one of a unit is in the material's own
    ("STEEL-4", "KGM"): Decimal(1),
    ("STEEL-4", "LBR"): Decimal("0.45359237"),
    ("NUT-M6", "C62"): Decimal(1),
    ("NUT-M6", "CEN"): Decimal(100),
}
BASE_UNIT = {"STRIP": "KGM", "STEEL-4": "KGM", "NUT-M6": "C62"}
PRICES = {"STRIP": Decimal("1.20"), "STEEL-4": Decimal("2.50"), "NUT-M6": Decimal("0.03")}
LABOUR_PER_S, MACHINE_PER_S, PER_KWH = Decimal("0.01"), Decimal("0.02"), Decimal("0.80")
PLACES = {"OP20": "WC-PRESS-1", "OP30": "WC-PRESS-2", "OP40": "WC-BENCH"}
OPERATION = {"OP20": "0020", "OP30": "0020", "OP40": "0030"}
PRODUCT = {"OP20": "BRACKET-7", "OP30": "COVER-2", "OP40": "FRAME-5"}
ORDERS = {
    "OP20": tuple(f"11{number:03}" for number in range(1, 250)),
    "OP30": tuple(f"12{number:03}" for number in range(1, 250)),
    "OP40": tuple(f"13{number:03}" for number in range(1, 250)),
}
MADE_UP = "13249"  # the bench's order that is only ever entered later
LEADER = "2001"
PEOPLE = ("1101", "1102", "1103", "1201", "1202", "1203", "1301", "1302", "1303", "1104", LEADER)


def masterdata() -> str:
    """The ERP's document."""
    return json.dumps(
        {
            "work_orders": [_order(place, name) for place, names in ORDERS.items() for name in names],
            "materials": [_material(name) for name in PRICES]
            + [{"material": name, "unit": "C62"} for name in PRODUCT.values()],
            "lots": [{"material": "STRIP", "lot": lot, "quantity": str(LOT_KG)} for lot in STRIP_LOTS]
            + [{"material": of, "lot": lot, "quantity": "1000000"} for lot, of in SCANNED_LOTS.items()],
            "people": [_person(name) for name in PEOPLE],
            "work_centers": [
                {
                    "work_center": name, "currency": "CNY", "labour_rate": str(LABOUR_PER_S * 3600),
                    "machine_rate": str(MACHINE_PER_S * 3600), "energy_tariff": str(PER_KWH),
                }
                for name in PLACES.values()
            ],
            "reasons": [
                {"reason": "04", "kind": "scrap", "cause": "process", "text": {"en": "Burr"}},
                {"reason": "07", "kind": "scrap", "cause": "material", "text": {"en": "Cracked"}},
                {"reason": "04", "kind": "rework", "text": {"en": "Burr"}},
                *({"reason": name, "kind": "pause", "text": {"en": name}} for name in ("21", "22", "23")),
            ],
        }
    )  # fmt: skip


def _order(place: str, name: str) -> dict[str, object]:
    operation: dict[str, object] = {"operation": OPERATION[place], "work_center": PLACES[place]}
    bom: list[dict[str, object]] = []
    if place == "OP20":
        operation |= {"setup_s": "600", "machine_s": "5", "labour_s": "5"}
        bom = [{"line": "10", "material": "STRIP", "quantity": str(STRIP_KG), "unit": "KGM",
                "operation": "0020", "method": "backflushed", "lot_required": True}]  # fmt: skip
    elif place == "OP40":
        bom = [
            {"line": line, "material": of, "quantity": "1", "unit": BASE_UNIT[of], "operation": "0030"}
            for line, of in (("10", "STEEL-4"), ("20", "NUT-M6"))
        ]
    return {
        "work_order": name, "product": PRODUCT[place], "quantity": "100000", "unit": "C62",
        "outputs": [{"material": PRODUCT[place], "role": "main", "cost_share": "1"}],
        "operations": [operation], "bom": bom,
    }  # fmt: skip


def _material(name: str) -> dict[str, object]:
    units = [
        {"unit": unit, "numerator": str(factor), "denominator": "1"}
        for (of, unit), factor in UNITS.items()
        if of == name and unit != BASE_UNIT[name]
    ]
    return {"material": name, "unit": BASE_UNIT[name], "units": units, "price": str(PRICES[name]),
            "price_per": "1", "currency": "CNY"}  # fmt: skip


def _person(name: str) -> dict[str, object]:
    roles = ["operator", "shift_leader"] if name == LEADER else ["operator"]
    return {"person": name, "name": name, "badges": [name], "roles": roles,
            "qualifications": list(PLACES.values())}  # fmt: skip
