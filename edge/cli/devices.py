"""`lineside devices`: what is configured and who uses it, and which kinds of device there are."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from drivers import registry as device_kinds
from edge import main
from edge.cli.common import FAULT, AsJson, Config, guarded, out
from edge.settings import Settings, Station

_SHOWN_TAGS = 8


@guarded
def devices(
    config: Config = None,
    kinds: Annotated[
        bool, typer.Option("--kinds", help="Which kinds of device there are, with their READMEs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the configured devices, where they are, their tags, and the stations that use them.

    Whether they answer: `lineside check --probe`.
    """
    if kinds:
        _kinds(as_json)
        return
    loaded = main.load(config)
    found = [_described(loaded, name) for name in loaded.devices]
    if as_json:
        out.out(json.dumps(found, ensure_ascii=False), highlight=False)
        return
    table = Table(title=f"Devices of {loaded.edge.id}", title_justify="left")
    for column in ("device", "kind", "address", "tags", "stations"):
        table.add_column(column)
    for one in found:
        table.add_row(
            one["name"], one["kind"], escape(one["address"]), _tags(one), ", ".join(one["stations"]) or "-"
        )
    out.print(table)
    if not found:
        out.print(
            r"none is configured. Add \[devices.<name>]; `lineside devices --kinds` tells which there are"
        )


def _kinds(as_json: bool) -> None:
    """Every kind, without importing one; exit code 1 where one cannot be used."""
    offers = device_kinds.offers()
    if as_json:
        out.out(json.dumps([asdict(one) for one in offers], ensure_ascii=False), highlight=False)
    else:
        table = Table(title="Kinds of device", title_justify="left")
        for column in ("driver =", "from", "how to configure it"):
            table.add_column(column, overflow="fold")
        for one in offers:
            table.add_row(escape(one.kind), escape(one.origin), escape(one.problem or one.readme))
        out.print(table)
        out.print("Others are added as Python packages: docs/examples/lineside-mqtt-sensor", highlight=False)
    if any(one.problem for one in offers):
        raise typer.Exit(FAULT)


def _described(loaded: Settings, name: str) -> dict[str, Any]:
    device = loaded.devices[name]
    return {
        "name": name,
        "kind": device.driver,
        "address": device.place,
        "scans": device.scans,
        "tags": sorted(device.tag_names),
        "stations": [
            station for station, one in loaded.stations.items() if name in _used(one, device.tag_names, name)
        ],
    }


def _used(station: Station, tags: frozenset[str], name: str) -> set[str]:
    """The devices among scanners and tags of a station: `name`, if one of its tags is there."""
    own = {name} if {*station.tags.values()} & {f"{name}.{tag}" for tag in tags} else set()
    return own | set(station.scanners)


def _tags(one: dict[str, Any]) -> str:
    if one["scans"]:
        return "scanner"
    more = len(one["tags"]) - _SHOWN_TAGS
    return ", ".join(one["tags"][:_SHOWN_TAGS]) + (f" and {more} more" if more > 0 else "")
