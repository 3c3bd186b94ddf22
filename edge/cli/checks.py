"""`lineside check`: is the configuration right, and does this machine offer what it names?"""

import json
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.markup import escape
from rich.table import Table

from edge import main
from edge.cli.common import FAULT, AsJson, Config, guarded, out
from edge.faults import Fault
from edge.settings import Settings


@guarded
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Check the configuration, the data folder and the secrets. Nothing is started or changed."""
    loaded = main.load(config)
    problems = list(_problems(loaded))
    if as_json:
        out.out(json.dumps({"config": str(loaded.path), "problems": problems}, ensure_ascii=False))
    else:
        _show(loaded)
        for problem in problems:
            out.print(f"[bold red]✕[/] {escape(problem)}", highlight=False, soft_wrap=True)
        if not loaded.uplinks:
            hint = "no uplink is configured: facts are kept but nobody receives them. Add [uplinks.<name>]"
            out.print(f"[bold]![/] {escape(hint)}", highlight=False, soft_wrap=True)
        if not problems:
            out.print(
                f"[bold cyan]✓[/] {escape(str(loaded.path))}: everything fits",
                highlight=False,
                soft_wrap=True,
            )
    if problems:
        raise typer.Exit(FAULT)


def _problems(loaded: Settings) -> Iterator[str]:
    data_dir = loaded.edge.data_dir
    if data_dir.exists():
        try:
            main.ensured(data_dir)
        except Fault as fault:
            yield str(fault)
    elif not _parent(data_dir).is_dir():
        yield f"edge.data_dir {data_dir} does not exist. Create it and give it to the user lineside"
    yield from main.secret_problems(loaded)
    if not loaded.stations:
        yield "no station is configured. Add [stations.<name>] with its work_center"


def _parent(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _show(loaded: Settings) -> None:
    table = Table(title=f"{loaded.edge.id} ({loaded.edge.site}, {loaded.edge.line})", title_justify="left")
    for column in ("part", "name", "kind", "detail"):
        table.add_column(column)
    for name, device in loaded.devices.items():
        table.add_row("device", name, device.driver, ", ".join(sorted(device.tag_names)) or "scanner")
    for name, station in loaded.stations.items():
        parts = [*station.scanners, *(counter.tag for counter in station.counters.values())]
        table.add_row("station", name, station.work_center, ", ".join(parts))
    for name, uplink in loaded.uplinks.items():
        table.add_row("uplink", name, uplink.kind, str(getattr(uplink, "url", "")))
    out.print(table)
