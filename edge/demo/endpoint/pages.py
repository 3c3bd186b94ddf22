"""The pages and their JSON: work orders, a cost sheet per order down to each document, what was received.

Money is rounded here and nowhere else: to two places, half up. "≥" stands before a sum that lacks something.
"""

from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from edge.costing import CostSheet, cost_sheet
from edge.demo.endpoint import words
from edge.demo.endpoint.ledger import Ledger, Row
from edge.demo.endpoint.masterfile import MasterFile, Offer
from edge.demo.endpoint.statement import Document, documents, overview, plain_json, received, seal_of

_HERE = Path(__file__).parent


class Pages:
    """Everything a person looks at."""

    def __init__(self, ledger: Ledger, masterdata: MasterFile) -> None:
        self._ledger = ledger
        self._masterdata = masterdata
        self._sheets: dict[str, tuple[tuple[int, str], CostSheet]] = {}
        self._pages = Environment(
            loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._pages.filters.update(words.FILTERS)

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/", self._orders_page)
        app.router.add_get(r"/orders/{work_order:[^/]+}.json", self._order_json)
        app.router.add_get(r"/orders/{work_order:[^/]+}", self._order_page)
        app.router.add_get("/received.json", self._received_json)
        app.router.add_get("/events/{id}", self._event_json)
        app.router.add_get("/style.css", self._style)

    async def _orders_page(self, _: web.Request) -> web.StreamResponse:
        return self._html("orders.html", await self._ledger.run(self._overview))

    async def _order_page(self, request: web.Request) -> web.StreamResponse:
        sheet, posted, offer = await self._order(request)
        people = {p.person: p.name for p in offer.masterdata.document.people or ()}
        context = {
            "sheet": sheet,
            "order": offer.masterdata.orders.get(sheet.work_order),
            "materials": {m.material: m.description for m in offer.masterdata.document.materials or ()},
            "people": people,
            "documents": posted,
            "numbers": {document.id: document.number for document in posted},
            "rejected": await self._ledger.run(self._rejected, sheet.work_order),
        }
        return self._html("order.html", context)

    async def _order_json(self, request: web.Request) -> web.StreamResponse:
        sheet, posted, _ = await self._order(request)
        return _json({**plain_json(sheet), "documents": plain_json(posted)})

    async def _received_json(self, _: web.Request) -> web.StreamResponse:
        return _json({"sources": await self._ledger.run(received, self._ledger)})

    async def _event_json(self, request: web.Request) -> web.StreamResponse:
        rows = await self._ledger.run(self._rows, "WHERE id = ?", request.match_info["id"])
        if not rows:
            raise web.HTTPNotFound(text="No such event is held here.")
        return web.json_response(text=msgspec.json.format(seal_of(rows[0]), indent=2).decode())

    async def _style(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(_HERE / "style.css")

    async def _order(self, request: web.Request) -> tuple[CostSheet, list[Document], Offer]:
        work_order, offer = request.match_info["work_order"], self._masterdata.current()
        sheet, rows = await self._ledger.run(self._sheet, work_order, offer)
        known = rows or work_order in offer.masterdata.orders
        if not known and not await self._ledger.run(self._rejected, work_order):
            raise web.HTTPNotFound(
                text=f"Work order {work_order} is not known here, and nothing was posted for it."
            )
        return sheet, documents(rows), offer

    def _sheet(self, work_order: str, offer: Offer) -> tuple[CostSheet, list[Row]]:
        """The sheet, reckoned anew only after another posting or other prices."""
        rows = self._ledger.documents_of(work_order)
        state = (self._ledger.last_document, offer.etag)
        held = self._sheets.get(work_order)
        if held is None or held[0] != state:
            held = state, cost_sheet(work_order, (row.event() for row in rows), offer.masterdata)
            if work_order in offer.masterdata.orders or rows:
                self._sheets[work_order] = held
        return held[1], rows

    def _overview(self) -> dict[str, Any]:
        offer = self._masterdata.current()
        counts = self._ledger.counts_by_order()
        names = dict.fromkeys([*offer.masterdata.orders, *counts])
        sheets = {name: self._sheet(name, offer)[0] for name in names}
        return {
            "orders": [
                overview(sheet, offer.masterdata.orders.get(name), counts.get(name, {}))
                for name, sheet in sheets.items()
            ],
            "sources": received(self._ledger),
            "rejected": self._rejected(None),
            "refusals": self._ledger.refusals(),
            "etag": offer.etag,
        }

    def _rejected(self, work_order: str | None) -> list[Row]:
        """What waits at the sender for a person: all of it, or that of one order."""
        return self._rows(
            """WHERE status = 'rejected' AND ifnull(?1, work_order) IS work_order
            ORDER BY received_ms DESC LIMIT 100""",
            work_order,
        )

    def _rows(self, where: str, *values: str | None) -> list[Row]:
        return list(self._ledger.rows(where, *values))

    def _html(self, name: str, context: dict[str, Any]) -> web.StreamResponse:
        text = self._pages.get_template(name).render(context)
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


def _json(value: Any) -> web.StreamResponse:
    return web.json_response(value, dumps=lambda held: msgspec.json.encode(held).decode())
