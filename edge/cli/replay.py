"""`lineside replay`: what comes of a situation of the shop floor, and whether it is what was expected."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import structlog
import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from edge.cli.common import FAULT, USAGE, AsJson, err, out
from edge.replay.expected import SIGNS
from edge.replay.lines import SituationFault
from edge.replay.totals import NONE, WAITING, Sums
from edge.replay.verdict import Replayed, replayed
from edge.replay.view import Alerted, Answered, Row, of, rows, text

_STYLES = {"recorded": "green", "refused": "red", "pending": "cyan"}


def replay(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="Folders with inputs.txt; several are played in turn."),
    ],
    brief: Annotated[
        bool, typer.Option("--brief", help="Only whether each folder gives what is expected.")
    ] = False,
    evidence: Annotated[
        bool,
        typer.Option("--evidence", help="Show each count.recorded too: what the counters said meanwhile."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Play situations of the shop floor: what comes of them. Touches no journal and no device.

    A folder holds inputs.txt (what happens, one input a line) and lineside.toml and masterdata.json, its own
    or those of the folder above. Where it has expected.txt or totals.txt, what comes is compared with them.

    Exit code 1: something differs from what is expected, 2: a file cannot be read.
    """
    found, unread = [], False
    with _quiet():
        for folder in folders:
            try:
                found.append(replayed(folder))
            except SituationFault as fault:
                err.print(str(fault), markup=False, highlight=False, soft_wrap=True)
                unread = True
                continue
            if not as_json:
                _show(found[-1], brief, evidence)
    if as_json:
        out.out(json.dumps([_as_json(one) for one in found], ensure_ascii=False))
    if unread:
        raise typer.Exit(USAGE)
    if any(one.met is False for one in found):
        raise typer.Exit(FAULT)


@contextmanager
def _quiet() -> Iterator[None]:
    """The collector's log says nothing: the table tells it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def _show(one: Replayed, brief: bool, evidence: bool) -> None:
    if not brief:
        out.print(f"[bold]{escape(one.situation.title)}[/]", highlight=False)
        out.print(_story(one, evidence))
        if not evidence and (hidden := _hidden(one)):
            out.print(f"[dim]{hidden}[/]", highlight=False)
        out.print(_sums(one.sums))
    if one.differences:
        out.print(_differences(one))
    verdict = {
        True: "[green]✓[/] gives what is expected",
        False: f"[bold red]✕[/] differs from what is expected in {_places(len(one.differences or ()))}",
        None: "nothing is expected: write expected.txt and totals.txt to compare",
    }[one.met]
    out.print(f"{escape(str(one.situation.folder))}: {verdict}", highlight=False, soft_wrap=True)


def _places(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "time")
    return table


def _story(one: Replayed, evidence: bool) -> Table:
    table = _table("time", "input", "answer and facts")
    clock = _Face(one.situation.settings.edge.zone)
    for happened in one.played.happened:
        lines = [_line(row) for row in of(happened) if evidence or row.kind != "count.recorded"]
        if happened.text or lines:
            table.add_row(clock.shown(happened.at_ms), escape(happened.text), "\n".join(lines))
    return table


def _hidden(one: Replayed) -> str:
    """What the table leaves out."""
    counts = sum(row.kind == "count.recorded" for row in rows(one.played))
    return f"{counts} count.recorded are left out; --evidence shows them" if counts else ""


def _line(row: Row) -> str:
    if isinstance(row, Alerted):
        return f"[yellow]! {row.kind}[/] {escape(row.message)}"
    station = f"[dim]{escape(row.station)}[/] " if row.station else ""
    if isinstance(row, Answered):
        style = _STYLES.get(row.result, "default")
        return f"{station}[{style}]{SIGNS[row.result]} {escape(row.message)}[/]"
    return f"{station}[bold]{row.kind}[/] {escape(row.shown)}"


def _sums(sums: Sums) -> Table:
    table = _table("posting date", "order/operation", "what", "kind", "quantity", "unit")
    table.columns[4].justify = "right"
    for key in sorted(sums, key=lambda key: (key.kind in WAITING, key)):
        style = "yellow" if key.kind in WAITING else None
        unit = "" if key.unit == NONE else key.unit
        table.add_row(key.date, key.job, escape(key.what), key.kind, text(sums[key]), unit, style=style)
    return table


def _differences(one: Replayed) -> Table:
    table = _table("time", "expected", "came", "differs")
    clock = _Face(one.situation.settings.edge.zone)
    for difference in one.differences or ():
        at = clock.shown(difference.at_ms) if difference.at_ms is not None else ""
        table.add_row(
            at, escape(difference.wanted), escape(difference.came), f"[red]{escape(difference.why)}[/]"
        )
    return table


class _Face:
    """A clock on the wall: the date is shown when a new day begins."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._day = ""

    def shown(self, at_ms: int) -> str:
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone)
        face = f"{local:%H:%M:%S}" + (f".{local.microsecond // 1000:03d}" if local.microsecond else "")
        day = local.date().isoformat()
        if day == self._day:
            return face
        self._day = day
        return f"{day}\n{face}"


def _as_json(one: Replayed) -> dict[str, Any]:
    return {
        "folder": str(one.situation.folder),
        "title": one.situation.title,
        "met": one.met,
        "events": [json.loads(body) for body in one.played.bodies],
        "answers": [
            {
                "at_ms": row.at_ms,
                "station": row.station,
                "input": row.given,
                "result": row.result,
                "message": row.message,
            }
            for row in rows(one.played)
            if isinstance(row, Answered)
        ],
        "alerts": [
            {"at_ms": row.at_ms, "alert": row.kind.split()[1], "key": row.key, "text": row.text}
            for row in rows(one.played)
            if isinstance(row, Alerted)
        ],
        "totals": [{**asdict(key), "quantity": text(value)} for key, value in sorted(one.sums.items())],
        "differences": [asdict(difference) for difference in one.differences or ()],
    }
