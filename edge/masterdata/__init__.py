"""What the ERP sends down, kept in masterdata.db and usable offline for weeks.

`records` says what there is, `document` how it is delivered, `held` how it is looked up; `store` keeps it,
`lookup` reads it from there, `folder` takes it from files where there is no interface.
"""

from edge.masterdata.document import LISTS, Document, parse
from edge.masterdata.held import MasterData
from edge.masterdata.records import (
    ActivityRate,
    AlternativeUnit,
    BomLine,
    Lot,
    Material,
    Operation,
    OrderOutput,
    Period,
    Person,
    Reason,
    Tool,
    ToolShare,
    WorkCenter,
    WorkOrder,
)

__all__ = [
    "LISTS",
    "ActivityRate",
    "AlternativeUnit",
    "BomLine",
    "Document",
    "Lot",
    "MasterData",
    "Material",
    "Operation",
    "OrderOutput",
    "Period",
    "Person",
    "Reason",
    "Tool",
    "ToolShare",
    "WorkCenter",
    "WorkOrder",
    "parse",
]
