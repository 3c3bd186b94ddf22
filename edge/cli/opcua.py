"""`lineside opcua`: look through a server for the values it has, and trust its certificate."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from edge import main
from edge.cli.common import UNREACHABLE, USAGE, AsJson, Config, err, guarded, out
from edge.faults import DeviceFault

if TYPE_CHECKING:
    from drivers.opcua.settings import OpcUaSettings

app = typer.Typer(no_args_is_help=True, help="OPC UA servers: what they offer, and whether they are trusted.")


@app.command()
@guarded
def browse(
    server: Annotated[str, typer.Argument(help="A device of the configuration, or opc.tcp://<host>:<port>.")],
    config: Config = None,
    limit: Annotated[int, typer.Option(min=1, max=100000, help="Stop after so many nodes.")] = 2000,
    as_json: AsJson = False,
) -> None:
    """The server's values as a tree, each with the line that makes a tag of it."""
    from drivers.opcua.browsing import browse as look

    name, settings = _chosen(server, config)
    try:
        tree = asyncio.run(look(name, settings, limit))
    except DeviceFault as fault:
        err.print(escape(str(fault)), highlight=False, soft_wrap=True)
        raise typer.Exit(UNREACHABLE) from fault
    lines = tree.lines()
    if as_json:
        found = [
            {"name": branch.name, "depth": depth, "node": branch.node, "value": branch.value or None}
            for depth, branch in tree.root.walk()
        ]
        out.out(json.dumps({"whole": tree.whole, "nodes": found}, ensure_ascii=False))
        return
    for depth, branch in tree.root.walk():
        indent = "  " * depth
        if branch.node is None:
            out.print(f"{indent}[bold]{escape(branch.name)}[/]", highlight=False, soft_wrap=True)
        else:
            line = f"{indent}{escape(lines[branch.node])}  [dim]# {escape(branch.value)}[/]"
            out.print(line, highlight=False, soft_wrap=True)
    if not tree.whole:
        err.print(f"There is more: --limit {limit} was reached", highlight=False)


@app.command()
@guarded
def trust(
    device: Annotated[str, typer.Argument(help="A device of the configuration.")],
    config: Config = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the fingerprint was compared.")] = False,
) -> None:
    """Trust the certificate that the device shows now, after comparing its fingerprint with the device's."""
    from drivers.opcua import pki
    from drivers.opcua.session import Session

    name, settings = _chosen(device, config)
    if not settings.secured or settings.pki_dir is None:
        err.print(f'devices.{name} has security = "none": there is nothing to trust', highlight=False)
        raise typer.Exit(USAGE)
    try:
        shown = asyncio.run(Session(name, settings).shown())
    except DeviceFault as fault:
        err.print(escape(str(fault)), highlight=False, soft_wrap=True)
        raise typer.Exit(UNREACHABLE) from fault
    certificate = pki.parsed(shown)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    before = pki.trusted(settings.pki_dir, name)
    for line in (
        f"{name} at {settings.endpoint} shows",
        f"  subject  {certificate.subject.rfc4514_string()}",
        f"  valid    {begins:%Y-%m-%d} to {ends:%Y-%m-%d}",
        f"  SHA-256  {pki.fingerprint(shown)}",
    ):
        out.print(escape(line), highlight=False, soft_wrap=True)
    if shown == before:
        out.print("It is trusted already.", highlight=False)
    else:
        if before is not None:
            out.print(f"Trusted so far: {pki.fingerprint(before)}", highlight=False, soft_wrap=True)
        if not yes:
            typer.confirm("Does the device itself show the same fingerprint?", abort=True)
        path = pki.trust(settings.pki_dir, name, shown)
        out.print(escape(f"Trusted: {path}"), highlight=False, soft_wrap=True)
    pki.own(settings.pki_dir)
    beside = settings.pki_dir / "own.der"
    out.print(escape(f"The server must trust lineside in turn: {beside}"), highlight=False, soft_wrap=True)


def _chosen(server: str, config: Path | None) -> tuple[str, "OpcUaSettings"]:
    """The device's name and settings; an address makes a device without security."""
    from drivers.opcua.settings import OpcUaSettings

    if "://" in server:
        try:
            table = {"driver": "opcua", "endpoint": server, "tags": {"time": {"node": "i=2258"}}}
            return "server", OpcUaSettings.model_validate(table)
        except ValueError as error:
            raise typer.BadParameter("must be opc.tcp://<host>:<port>, or a device's name") from error
    loaded = main.load(config)
    settings = main.located_devices(loaded).get(server)
    if not isinstance(settings, OpcUaSettings):
        known = [name for name, one in loaded.devices.items() if isinstance(one, OpcUaSettings)]
        raise typer.BadParameter(f"is no OPC UA device; allowed: {', '.join(known) or 'none is configured'}")
    return server, settings
