"""`lineside plc`: what a device says now, with nothing recorded."""

import asyncio
import contextlib
import json
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from edge import main
from edge.cli import probing
from edge.cli.common import UNREACHABLE, AsJson, Config, err, guarded, out
from edge.cli.probing import WITHIN, Within
from edge.clock import SystemClock
from edge.events import instant
from edge.probe import Change, Watch, watched
from edge.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="What PLCs, meters and sensors say now. Nothing is recorded or changed.\n\n"
    "A second connection is opened beside that of a running collector. A PLC that takes only one refuses it"
    " or drops the first:"
    " look at the pages then, or stop the collector meanwhile (systemctl stop lineside-collect).",
)
Names = Annotated[
    list[str], typer.Argument(help="Devices or tags: press1 is all its tags, press1.cycles is one.")
]


@app.command()
@guarded
def read(names: Names, config: Config = None, within_s: Within = WITHIN, as_json: AsJson = False) -> None:
    """Read tags once: value, unit, quality, round trip. Exit code 1: no good value, 3: no answer."""
    loaded = main.load(config)
    found = probing.find(loaded, probing.asked_for(loaded, names), within_s)
    if as_json:
        served = probing.served(found, loaded.web.listen)
        out.out(json.dumps(probing.as_json(found, served), ensure_ascii=False), highlight=False)
    else:
        probing.show(found, (), loaded.web.listen)  # no value was read, whoever has the device
    raise typer.Exit(probing.code(found))


@app.command()
@guarded
def watch(
    names: Names,
    config: Config = None,
    as_json: AsJson = False,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="End after so many changes.", show_default=False)
    ] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", min=0.1, help="End after so many seconds.", show_default=False)
    ] = None,
) -> None:
    """Show tags as they change, until Ctrl-C. Exit code 3 if a device does not answer at the end."""
    loaded = main.load(config)
    asked = probing.asked_for(loaded, names)
    probing.warn_of_second(loaded, asked)
    shown = _Lines(as_json) if as_json or not out.is_terminal else _LiveTable(loaded, asked)
    with contextlib.suppress(KeyboardInterrupt), probing.quiet(), shown:
        asyncio.run(_watch(loaded, asked, shown, count, for_s))
    if shown.away:
        away = ", ".join(sorted(shown.away))
        err.print(f"Not answering: {away}. {probing.SECOND.format(loaded.web.listen)}",
                  markup=False, soft_wrap=True)  # fmt: skip
        raise typer.Exit(UNREACHABLE)


async def _watch(
    loaded: Settings, asked: probing.Asked, shown: "_Shown", count: int | None, for_s: float | None
) -> None:
    shown.away = set(asked)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(for_s), watched(probing.probes(loaded, asked), SystemClock()) as changing:
            await _follow(changing, shown, count)


async def _follow(changing: Watch, shown: "_Shown", count: int | None) -> None:
    left, lost = count, 0
    while left is None or left > 0:
        for change in (await changing.changes())[:left]:
            shown.take(change)
            left = None if left is None else left - 1
        shown.refresh()
        if changing.lost > lost:
            err.print(f"{changing.lost - lost} changes were too fast to be shown", highlight=False)
            lost = changing.lost


class _Shown:
    """Where changes are shown; knows who is away."""

    def __init__(self) -> None:
        self.away: set[str] = set()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def take(self, change: Change) -> None:
        if change.link is not None:
            (self.away.discard if change.link.up else self.away.add)(change.device)

    def refresh(self) -> None: ...


class _Lines(_Shown):
    """One line a change, for machines and files."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def take(self, change: Change) -> None:
        super().take(change)
        said = _said(change)
        out.out(json.dumps(said, ensure_ascii=False) if self._as_json else _line(said), highlight=False)


class _LiveTable(_Shown):
    """A table that stands still while its values change."""

    def __init__(self, loaded: Settings, asked: probing.Asked) -> None:
        super().__init__()
        self._devices = dict.fromkeys(asked, "not answered yet")
        self._tags: dict[str, dict[str, Any]] = {
            f"{name}.{tag}": {} for name in asked for tag in sorted(asked[name])
        }
        self._live = Live(self._table(), console=out, auto_refresh=False)

    def __enter__(self) -> None:
        self._live.__enter__()

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def take(self, change: Change) -> None:
        super().take(change)
        if change.link is not None:
            hint = f". {change.link.hint}" if change.link.hint else ""
            self._devices[change.device] = f"{change.link.detail}{hint}"
        elif change.reading is not None:
            self._tags[change.reading.name] = _said(change)

    def refresh(self) -> None:
        self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        told = "\n".join(f"{name}: {escape(detail)}" for name, detail in self._devices.items())
        table = Table(caption=f"{told}\nCtrl-C ends. Nothing is recorded", caption_justify="left")
        for column in ("tag", "value", "unit", "quality", "since"):
            table.add_column(column, justify="right" if column == "value" else "left")
        for name, said in self._tags.items():
            table.add_row(
                name, escape(probing.worded(said.get("value"))), escape(said.get("unit") or ""),
                said.get("quality", ""), said.get("at", ""),
            )  # fmt: skip
        return table


def _said(change: Change) -> dict[str, Any]:
    if change.link is not None:
        link = change.link
        return {
            "at": instant(link.at.wall_ms), "device": link.device, "up": link.up, "detail": link.detail,
            "hint": link.hint,
        }  # fmt: skip
    assert change.reading is not None
    reading = change.reading
    return {
        "at": instant(reading.received.wall_ms), "device": reading.device, "tag": reading.tag,
        "value": reading.value, "quality": reading.quality.value, "unit": reading.unit,
    }  # fmt: skip


def _line(said: dict[str, Any]) -> str:
    if "tag" not in said:
        state = "answers" if said["up"] else "does not answer"
        hint = f". {said['hint']}" if said["hint"] else ""
        return f"{said['at']}  {said['device']} {state}: {said['detail']}{hint}"
    value = probing.worded(said["value"])
    return f"{said['at']}  {said['device']}.{said['tag']}  {value} {said['unit'] or ''}  {said['quality']}"
