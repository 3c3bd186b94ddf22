"""`lineside shifts`: what each of the last shifts came to, at the running collector."""

import json
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.table import Table

from edge import main
from edge.cli.calling import call
from edge.cli.common import FAULT, UNREACHABLE, AsJson, Config, err, guarded, out


@guarded
def shifts(
    days: Annotated[int, typer.Option(help="How many production days, today included.", min=1, max=31)] = 2,
    station: Annotated[str | None, typer.Option(help="Only this station.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show pieces, hours and what waits, by shift and station."""
    loaded = main.load(config)
    code, found = call(loaded, f"/api/v1/shifts?days={days}")
    if code == 503:
        err.print(found.get("detail", "The journal cannot be read"), markup=False)
        raise typer.Exit(FAULT)
    if code != 200 or "shifts" not in found:
        err.print(f"Another program answers at http://{loaded.web.listen}", markup=False)
        raise typer.Exit(UNREACHABLE)
    rows = [one for one in found["shifts"] if station is None or one["station"] == station]
    if as_json:
        out.out(json.dumps({"shifts": rows}, ensure_ascii=False))
    else:
        out.print(_table(rows))


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Shifts: pieces, hours, what waits for a person", title_justify="left")
    for column in ("day", "shift", "station"):
        table.add_column(column)
    for column in (
        "good", "concession", "rework", "scrap", "labour h", "set-up h", "machine h", "unassigned h",
        "nobody's", "to settle",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for one in rows:
        table.add_row(
            one["production_date"] or "clock was wrong",
            one["shift"] or "-",
            one["station"] or "-",
            *(_pieces(one[name]) for name in ("good", "concession", "rework", "scrap")),
            _hours(one["labour_s"]),
            _hours(one["setup_s"]),
            _hours(one["machine_s"]) + ("" if one["machine_known"] else " + ?"),
            _hours(one["unassigned_s"]),
            _pieces(one["unattributed"]) + (f" + {one['held']} held" if one["held"] else ""),
            str(one["waiting"]),
        )
    return table


def _pieces(figures: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['quantity']} {one['texts']['en']}" for one in figures) or "0"


def _hours(seconds: str) -> str:
    return f"{Decimal(seconds) / 3600:.2f}"
