"""What a work order has cost so far: an estimate from its facts and the ERP's prices.

Invariants: each event counts once; a correction cancels the event it names and whatever that event caused,
in any order of arrival; unknown (no price, a null figure) is None and makes a sum "at least", never 0.
Figures are exact decimals: sums and products are never rounded, quotients (seconds at a rate per hour, unit
conversions) have 18 places. Rounding to cents belongs to whoever displays.
"""

from edge.costing.actual import carries_cost, effective
from edge.costing.figures import (
    ELEMENTS,
    Amount,
    Comparison,
    CostSheet,
    Element,
    Gap,
    GapKind,
    Line,
    OutputLine,
    UnitCost,
)
from edge.costing.sheet import cost_sheet

__all__ = [
    "ELEMENTS",
    "Amount",
    "Comparison",
    "CostSheet",
    "Element",
    "Gap",
    "GapKind",
    "Line",
    "OutputLine",
    "UnitCost",
    "carries_cost",
    "cost_sheet",
    "effective",
]
