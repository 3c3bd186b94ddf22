"""The master data in use, as stations and costing look things up.

A value: what it says does not change. A list that was never received is None in `document`: its checks only
warn.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from functools import cached_property

from edge.masterdata.document import Document, Lists
from edge.masterdata.records import Lot, Material, Person, Reason, Tool, WorkCenter, WorkOrder

NOTHING = Document()


class MasterData:
    """What is held, by key. `etag` names the delivery, `fetched_ms` is when it was last known to be new."""

    def __init__(self, document: Lists = NOTHING, etag: str | None = None, fetched_ms: int | None = None):
        self.document = document
        self.etag = etag
        self.fetched_ms = fetched_ms

    def seen(self, at_ms: int) -> "MasterData":
        """The same, still new at that time."""
        found = copy(self)
        found.fetched_ms = at_ms
        return found

    @cached_property
    def orders(self) -> Mapping[str, WorkOrder]:
        return {order.work_order: order for order in self.document.work_orders or ()}

    def orders_at(self, work_center: str) -> Iterable[WorkOrder]:
        """The orders that may run at a work center, in no particular order."""
        return [one for one in self.document.work_orders or () if work_center in one.names]

    @cached_property
    def materials(self) -> Mapping[str, Material]:
        return {material.material: material for material in self.document.materials or ()}

    @cached_property
    def materials_called(self) -> Mapping[str, tuple[Material, ...]]:
        """Materials by what else they are called: a GTIN of 14 digits, a supplier's part number."""
        found: dict[str, list[Material]] = {}
        for material in self.document.materials or ():
            for name in material.names:
                found.setdefault(name, []).append(material)
        return {name: tuple(materials) for name, materials in found.items()}

    @cached_property
    def lots(self) -> Mapping[str, tuple[Lot, ...]]:
        """Lots by their number; a number may stand for several materials."""
        found: dict[str, list[Lot]] = {}
        for lot in self.document.lots or ():
            found.setdefault(lot.lot, []).append(lot)
        return {number: tuple(lots) for number, lots in found.items()}

    @cached_property
    def badges(self) -> Mapping[str, Person]:
        """People by badge; a person's own number counts as one."""
        people = self.document.people or ()
        return {person.person: person for person in people} | {
            badge: person for person in people for badge in person.badges
        }

    @cached_property
    def work_centers(self) -> Mapping[str, WorkCenter]:
        return {center.work_center: center for center in self.document.work_centers or ()}

    @cached_property
    def tools(self) -> Mapping[str, Tool]:
        return {tool.tool: tool for tool in self.document.tools or ()}

    @cached_property
    def reasons(self) -> Mapping[tuple[str, str], Reason]:
        """Reasons by (kind, code)."""
        return {(reason.kind, reason.reason): reason for reason in self.document.reasons or ()}
