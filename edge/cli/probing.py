"""Trying devices out from the command line: what is asked for, what is shown, which exit code it is."""

import asyncio
import logging
import re
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from typing import Annotated, Any

import structlog
import typer
from rich.markup import escape
from rich.table import Table

from drivers import registry as device_kinds
from edge import main
from edge.cli.common import FAULT, UNREACHABLE, USAGE, err, out
from edge.clock import SystemClock
from edge.probe import WITHIN_S, Found, Probe, probed
from edge.readings import Quality, Value
from edge.settings import Settings

_UP = re.compile(r'^lineside_device_up\{device="([^"]+)"\} 1(?:\.0)?$', re.MULTILINE)
_METRICS_BYTES = 2**22
SERVED = "the running collector has it, and it answers there"
SECOND = (
    "If `lineside collect` runs here, it holds the scanners' ports, and a PLC that takes only one connection"
    " refuses this second one: look at its pages at http://{}, or stop it meanwhile"
    " (systemctl stop lineside-collect). Nothing was recorded or changed"
)
BESIDE = (
    "{}: `lineside collect` runs here and is connected. A second connection is opened beside it; a PLC that"
    " takes only one refuses it, or drops the collector's, which then connects again"
)
Within = Annotated[
    float, typer.Option("--timeout", min=0.1, max=600, help="Seconds that each device has to answer.")
]
WITHIN = WITHIN_S

Asked = Mapping[str, Collection[str]]  # the tags that are asked for, by device


def find(loaded: Settings, asked: Asked, within_s: float) -> list[Found]:
    """Try the devices out, with the drivers' own log lines left out: the finding says the same."""
    warn_of_second(loaded, asked)
    with quiet():
        return asyncio.run(probed(probes(loaded, asked), SystemClock(), within_s))


def probes(loaded: Settings, asked: Asked) -> list[Probe]:
    clock, devices = SystemClock(), main.located_devices(loaded)
    return [Probe(device_kinds.build(name, devices[name], clock), tags) for name, tags in asked.items()]


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines between the lines of a table, and none on the standard output that is JSON."""
    before, disabled = structlog.get_config(), logging.root.manager.disable
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        structlog.configure(**before)
        logging.disable(disabled)


def warn_of_second(loaded: Settings, asked: Asked) -> None:
    """Say before connecting that the running collector is connected: some PLCs then drop the first."""
    names = sorted(_held(loaded.web.listen) & {name for name, tags in asked.items() if tags})
    if names:
        err.print(BESIDE.format(", ".join(names)), markup=False, highlight=False, soft_wrap=True)


def served(found: Sequence[Found], listen: str) -> frozenset[str]:
    """Devices that do not answer the probe, but the running collector."""
    away = {one.device for one in found if not one.reachable}
    return _held(listen) & away if away else frozenset()


def _held(listen: str) -> frozenset[str]:
    """Devices that answer the running collector, as its metrics say; none where none runs."""
    try:
        with urllib.request.urlopen(f"http://{listen}/metrics", timeout=5) as answer:
            text = answer.read(_METRICS_BYTES).decode(errors="replace")
    except (OSError, HTTPException, ValueError):
        return frozenset()
    return frozenset(_UP.findall(text))


def code(found: Sequence[Found], served: Collection[str] = ()) -> int:
    """The exit code: 3 where a device answers nobody, 1 where a tag has no good value."""
    tried = [one for one in found if one.device not in served]
    if not all(one.reachable for one in tried):
        return UNREACHABLE
    return 0 if all(one.fine for one in tried) else FAULT


def as_json(found: Sequence[Found], served: Collection[str]) -> list[dict[str, Any]]:
    return [
        {
            "device": one.device,
            "reachable": one.reachable,
            "answers_collector": one.device in served,
            "detail": one.detail,
            "hint": one.hint,
            "round_trip_ms": one.round_trip_ms,
            "tags": {
                tag: {
                    "value": said.value,
                    "quality": said.quality,
                    "unit": said.unit,
                    "reason": said.reason,
                    "round_trip_ms": said.round_trip_ms,
                }
                for tag, said in one.tags.items()
            },
        }
        for one in found
    ]


def show(found: Sequence[Found], served: Collection[str], listen: str) -> None:
    """A table of what was found, and below it what to do about each device that does not answer."""
    table = Table(title="Devices tried out", title_justify="left")
    for column in ("", "device", "tag", "value", "unit", "quality", "ms", "detail"):
        table.add_column(column, justify="right" if column in ("value", "ms") else "left")
    for one in found:
        fine, detail = (True, SERVED) if one.device in served else (one.fine, one.detail)
        table.add_row(sign(fine), one.device, "", "", "", "", ms(one.round_trip_ms), escape(detail))
        for tag, said in one.tags.items() if one.reachable else ():
            table.add_row(
                sign(said.fine), "", tag, escape(worded(said.value)), escape(said.unit or ""),
                worded_quality(said.quality), ms(said.round_trip_ms), escape(said.reason),
            )  # fmt: skip
    out.print(table)
    unreachable = [one for one in found if not one.reachable and one.device not in served]
    for one in unreachable:
        out.print(
            f"{sign(False)} {escape(f'{one.device}: {one.detail}. {one.hint}')}",
            highlight=False,
            soft_wrap=True,
        )
    if unreachable:
        out.print(f"[bold]![/] {escape(SECOND.format(listen))}", highlight=False, soft_wrap=True)


def sign(fine: bool) -> str:
    return "[bold cyan]✓[/]" if fine else "[bold red]✕[/]"


def ms(trip_ms: int | None) -> str:
    return "" if trip_ms is None else str(trip_ms)


def worded(value: Value | None) -> str:
    """A value for a terminal: what a device sends may hold what a terminal would obey."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "".join(char if char.isprintable() else "�" for char in str(value))


def worded_quality(quality: Quality | None) -> str:
    return "nothing" if quality is None else quality.value


def asked_for(loaded: Settings, names: Sequence[str]) -> dict[str, set[str]]:
    """Devices and tags as they were typed: `press1` is all its tags, `press1.cycles` is one. Exits with 2."""
    known = {name: (name, device.tag_names) for name, device in loaded.devices.items()}
    known |= {
        f"{name}.{tag}": (name, frozenset({tag}))
        for name, device in loaded.devices.items()
        for tag in device.tag_names
    }
    asked: dict[str, set[str]] = {}
    for typed in names:
        if typed not in known:
            offered = ", ".join(name for name, device in loaded.devices.items() if device.tag_names)
            raise _unusable(f"There is no device or tag {typed!r}. Devices with tags: {offered or 'none'}")
        device, tags = known[typed]
        if not tags:
            raise _unusable(f"{device} has no tags. `lineside check --probe` tries whether it is there")
        asked.setdefault(device, set()).update(tags)
    return asked


def _unusable(why: str) -> typer.Exit:
    err.print(f"{why}. Nothing was asked", markup=False, soft_wrap=True)
    return typer.Exit(USAGE)
