"""`lineside check`: is the configuration right, and does this machine offer what it names?"""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from drivers import registry as device_kinds
from edge import main
from edge.cli import probing
from edge.cli.common import FAULT, AsJson, Config, guarded, out
from edge.cli.probing import WITHIN, Within
from edge.clock import SystemClock
from edge.faults import SettingsFault
from edge.settings import Settings
from edge.station.grammar.overlaps import overlaps


@guarded
def check(
    config: Config = None,
    as_json: AsJson = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="Try every device out too: does it answer, is every tag good?")
    ] = False,
    within_s: Within = WITHIN,
) -> None:
    """Check the configuration, the data folder and the secrets. Nothing is started or changed.

    --probe opens a second connection to each device beside that of a running collector. Scanners' ports are
    the collector's alone, and some PLCs take only one connection: there the collector is asked whether the
    device answers it. To try such a device out, stop the collector meanwhile.

    Exit code 1: something is wrong, 3: a device does not answer. What would go over the network unencrypted,
    and a receiver that delivery has never heard of while it knows others, is a warning.
    """
    loaded = main.load(config)
    broken = _broken(loaded)
    problems = [*_problems(loaded), *(problem for found in broken.values() for problem in found)]
    asked = {name: one.tag_names for name, one in loaded.devices.items() if name not in broken}
    found = probing.find(loaded, asked, within_s) if probe and asked else []
    served = probing.served(found, loaded.web.listen)
    code = FAULT if problems else probing.code(found, served)
    if as_json:
        taken = [
            {"rule": rule.name, "form": form, "code": code} for rule, form, code in overlaps(loaded.rules)
        ]
        said: dict[str, Any] = {"config": str(loaded.path), "problems": problems, "overlaps": taken}
        said["checks"] = _levels(loaded)
        said["warnings"] = [*main.exposures(loaded), *main.newcomers(loaded)]
        if probe:
            said["devices"] = probing.as_json(found, served)
        out.out(json.dumps(said, ensure_ascii=False))
    else:
        _tell(loaded, problems)
        if found:
            probing.show(found, served, loaded.web.listen)
        if not code:
            out.print(f"{probing.sign(True)} {escape(str(loaded.path))}: everything fits",
                      highlight=False, soft_wrap=True)  # fmt: skip
    raise typer.Exit(code)


def _tell(loaded: Settings, problems: Sequence[str]) -> None:
    _show(loaded)
    for problem in problems:
        out.print(f"[bold red]✕[/] {escape(problem)}", highlight=False, soft_wrap=True)
    for warning in (*main.exposures(loaded), *main.newcomers(loaded)):
        out.print(f"[bold red]![/] {escape(warning)}", highlight=False, soft_wrap=True)
    for rule, form, code in overlaps(loaded.rules):
        hint = f"grammar {rule.name}: takes {code!r} and its like before {form} does. Right, if that is meant"
        out.print(f"[bold]![/] {escape(hint)}", highlight=False, soft_wrap=True)
    if not loaded.uplinks:
        hint = "no uplink is configured: facts are kept but nobody receives them. Add [uplinks.<name>]"
        out.print(f"[bold]![/] {escape(hint)}", highlight=False, soft_wrap=True)


def _problems(loaded: Settings) -> Iterator[str]:
    yield from main.data_problems(loaded.edge.data_dir)
    yield from main.secret_problems(loaded)
    yield from main.masterdata_problems(loaded)
    yield from main.webhook_problems(loaded)
    if not loaded.stations:
        yield "no station is configured. Add [stations.<name>] with its work_center"


def _broken(loaded: Settings) -> dict[str, list[str]]:
    """By device what is wrong with a driver that cannot be made: one of a broken plug-in."""
    found = {}
    clock = SystemClock()
    for name, device in main.located_devices(loaded).items():
        try:
            device_kinds.build(name, device, clock)
        except SettingsFault as fault:
            found[name] = [f"devices.{name}: {problem}" for problem in fault.problems]
    return found


def _levels(loaded: Settings) -> dict[str, dict[str, str]]:
    """The checks of each station as they are there, its own and the site's."""
    return {
        name: {code: str(level) for code, level in loaded.checks.at(station.checks)}
        for name, station in loaded.stations.items()
    }


def _show(loaded: Settings) -> None:
    edge = loaded.edge
    table = Table(title=escape(f"{edge.id} ({edge.site}, {edge.line})"), title_justify="left")
    for column in ("part", "name", "kind", "detail"):
        table.add_column(column)
    rows = []
    for name, device in loaded.devices.items():
        rows.append(("device", name, device.driver, ", ".join(sorted(device.tag_names)) or "scanner"))
    for name, station in loaded.stations.items():
        parts = [*station.scanners, *station.tags.values()]
        rows.append(("station", name, station.work_center, ", ".join(parts)))
    for name, levels in _levels(loaded).items():
        rows.append(("checks", name, "", ", ".join(f"{code} {level}" for code, level in levels.items())))
    for name, uplink in loaded.uplinks.items():
        rows.append(("uplink", name, uplink.kind, uplink.place))
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)
