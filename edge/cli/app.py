"""All commands of `lineside`, with the help that `--help` shows.

Exit codes: 0 done, 1 fault found, 2 usage, 3 unreachable.
"""

from pathlib import Path
from typing import Annotated

import typer

from edge import __version__
from edge.cli import (
    checks,
    copies,
    devices,
    events,
    opcua,
    outbox,
    plc,
    pull,
    reconcile,
    replay,
    review,
    scantest,
    shifts,
    starting,
    status,
)
from edge.cli.common import Config, guarded

app = typer.Typer(
    name="lineside",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Turns scans and machine signals into production facts and delivers each to cost accounting"
    " exactly once.\n\nStart with [bold]lineside demo[/bold] to see a line at work, or"
    " [bold]lineside init[/bold] to set up this machine.",
)
app.add_typer(events.app, name="events")
app.add_typer(outbox.app, name="outbox")
app.add_typer(plc.app, name="plc")
app.add_typer(opcua.app, name="opcua")
app.add_typer(review.app, name="review")
app.add_typer(reconcile.app, name="reconcile")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"lineside {__version__}")
        raise typer.Exit


@app.command()
def run(config: Config = None) -> None:
    """Collect and deliver in one process, for small sites and trials."""
    _daemon("run", config)


@app.command()
def collect(config: Config = None) -> None:
    """Drivers, stations, journal and operator pages: the unit lineside-collect."""
    _daemon("collect", config)


@app.command()
def sync(config: Config = None) -> None:
    """Delivery to the ERP and master data from it: the unit lineside-sync."""
    _daemon("sync", config)


@app.command()
@guarded
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Run one work order to its end, compare every figure, exit 0 or 1.")
    ] = False,
    outage: Annotated[
        bool, typer.Option("--outage", help="Cut the ERP off for a while and watch the backlog.")
    ] = False,
    kill: Annotated[
        bool, typer.Option("--kill", help="Kill the collector in the middle of work, with SIGKILL.")
    ] = False,
    mqtt: Annotated[
        bool, typer.Option("--mqtt", help="An ERP that only speaks MQTT: it pulls, over a broker.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the demo's files in this folder instead of a temporary one.")
    ] = None,
) -> None:
    """A whole line at work: press, scanner, collector, delivery, cost sheet. Ctrl-C ends it."""
    from edge.demo.show import demonstrate

    raise typer.Exit(demonstrate(once=once, outage=outage, kill=kill, keep=keep, mqtt=mqtt))


app.command()(starting.init)
app.command()(checks.check)
app.command()(devices.devices)
app.command()(copies.backup)
app.command()(copies.restore)
app.command()(status.status)
app.command()(status.scan)
app.command()(shifts.shifts)
app.command()(pull.pull)
app.command()(replay.replay)
app.command("scan-test")(scantest.scan_test)


def _daemon(what: str, config: Path | None) -> None:
    from edge.main import daemon

    raise typer.Exit(daemon(what, str(config) if config else None))
