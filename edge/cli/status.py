"""`lineside status` and `lineside scan`: how it goes, and a scan typed instead of scanned."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from edge import main
from edge.alerts import Alert
from edge.cli.calling import call, record
from edge.cli.common import FAULT, UNREACHABLE, USAGE, AsJson, Config, err, guarded, out
from edge.delivering import NOT_RUNNING, START
from edge.events import parse_instant
from edge.faults import Fault
from edge.masterdata.lookup import load as load_masterdata
from edge.settings import Settings
from sync.certificates.record import Standing, load_standing

_WAITING = ("backoff", "paused", "halted", "stopped")
T = TypeVar("T")


@guarded
def status(config: Config = None, as_json: AsJson = False) -> None:
    """Show stations, receivers, what waits and how old the master data is.

    Exit code 0: all that is needed runs and records. 1: nothing can be recorded, or a part cannot be read
    (the rest is shown). 2: wrong usage or configuration. 3: the collector does not answer, or delivery does
    not run though the configuration needs it.
    """
    loaded = main.load(config)
    data_dir = loaded.edge.data_dir
    parts = _Parts()
    stations = _stations(loaded)
    held = _held(loaded) if stations is not None else None
    needed, runs = loaded.needs_sync, parts.read(lambda: main.sync_runs(loaded))
    ours = held if held is not None else parts.read(lambda: main.alerts(data_dir, (main.JOURNAL,)))
    alerts = [*(ours or ()), *(parts.read(lambda: main.alerts(data_dir, (main.STORE,))) or ())]
    found = {
        "edge": loaded.edge.id,
        "data_dir": str(data_dir),
        "stations": stations,
        "delivery": {"needed": needed, "running": runs},
        "receivers": parts.read(lambda: _receivers(loaded)),
        "alerts": [asdict(one) for one in sorted(alerts, key=lambda one: -one.raised_ms)],
        "master_data": parts.read(lambda: _masterdata(loaded)),
        "problems": parts.problems,
    }
    if as_json:
        out.out(json.dumps(found, ensure_ascii=False))
    else:
        _show(loaded, found)
    silent = held is None and not stations
    if silent or (needed and runs is False):
        raise typer.Exit(UNREACHABLE)
    if parts.problems or _unrecorded(found):
        raise typer.Exit(FAULT)


class _Parts:
    """Reads part by part: what cannot be read is a problem of its own and hides nothing else."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except Fault as fault:
            if str(fault) not in self.problems:
                self.problems.append(str(fault))
            return None


@guarded
def scan(
    station: Annotated[str, typer.Argument(help="The station, as the configuration names it.")],
    text: Annotated[str, typer.Argument(help="What the scanner would read, LSCDONE for one.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Scan by hand at a station of the running collector.

    Exit code 1 when it was refused. 0 also where it only opens or changes what a further scan completes, or
    repeats the one before: it says then that nothing is recorded by it (JSON: `result`).
    """
    loaded = main.load(config)
    if station not in loaded.stations:
        known = ", ".join(loaded.stations) or "none is configured"
        err.print(f"There is no station {station!r}. Stations: {known}. Nothing recorded", markup=False)
        raise typer.Exit(USAGE)
    record(loaded, f"/api/v1/stations/{station}/scan", {"text": text}, as_json, and_next=True)


def _stations(loaded: Settings) -> list[dict[str, Any]] | None:
    """What the running collector says of each station; None where it does not answer."""
    found = []
    for name in loaded.stations:
        try:
            code, answer = call(loaded, f"/api/v1/stations/{name}")
        except typer.Exit:
            return None
        if code == 200 and "station" in answer:
            found.append(answer)
        elif "title" not in answer:  # no answer of ours: RFC 9457 has one
            err.print(f"Another program answers at http://{loaded.web.listen}", markup=False)
            return None
        else:
            # Newer in the configuration than the running collector.
            following = {"en": "restart the collector", "zh": "请重启采集器"}
            found.append({"station": name, "state": "not running", "operators": [], "next_texts": following})
    return found


def _held(loaded: Settings) -> list[Alert] | None:
    """The alerts that the running collector holds, unwritten ones too; None where it does not say."""
    try:
        code, answer = call(loaded, "/api/v1/alerts")
    except typer.Exit:
        return None
    if code != 200 or "alerts" not in answer:
        return None  # a collector from before this question
    return [
        Alert(one["key"], one["text"], one["hint"], parse_instant(one["since"]), None)
        for one in answer["alerts"]
    ]


def _receivers(loaded: Settings) -> list[dict[str, Any]]:
    proven = load_standing(loaded.edge.data_dir / main.STORE)
    known = main.delivery(loaded.edge.data_dir, loaded).receivers
    return [msgspec.to_builtins(one) | _compared(proven.get(one.name)) for one in known]


def _unrecorded(found: dict[str, Any]) -> dict[str, Any] | None:
    """Why nothing can be recorded, as the collector says it; None where it can, or nobody says."""
    return next((one["storage"] for one in found["stations"] or () if one.get("storage")), None)


def _compared(standing: Standing | None) -> dict[str, int | None]:
    """When a receiver was compared last, and how many ranges are not proven; None where it never was."""
    if standing is None:
        return {"compared_ms": None, "unproven": None}
    return {"compared_ms": standing.at_ms, "unproven": standing.unproven}


def _masterdata(loaded: Settings) -> dict[str, Any]:
    held = load_masterdata(loaded.edge.data_dir / main.MASTERDATA)
    fetched = datetime.fromtimestamp(held.fetched_ms / 1000, UTC) if held.fetched_ms else None
    return {
        "etag": held.etag,
        "fetched": fetched.isoformat(timespec="seconds") if fetched else None,
        "age_s": max(0, round((datetime.now(UTC) - fetched).total_seconds())) if fetched else None,
        "work_orders": len(held.orders),
    }


def _show(loaded: Settings, found: dict[str, Any]) -> None:
    times = f"times in {loaded.edge.timezone}"
    out.print(
        f"[bold]{escape(found['edge'])}[/]  {escape(found['data_dir'])}  {times}",
        highlight=False,
        soft_wrap=True,
    )
    _warn(found)
    stations = Table(title="Stations", title_justify="left")
    for column in ("station", "state", "operators", "order", "good", "scrap", "next"):
        stations.add_column(column)
    for one in found["stations"] or ():
        order = f"{one['work_order']}/{one['operation']}" if one.get("work_order") else "-"
        good = f"{one['good']} / {one['planned']}" if one.get("work_order") else "-"
        following = (one.get("next_texts") or one["next"])["en"]
        state = one["state"]
        if storage := one.get("storage"):
            state, following = "NOT RECORDED", storage["text"]["en"]
        people, scrap = ", ".join(one["operators"]) or "-", one.get("scrap") or "-"
        cells = (one["station"], state, people, order, good, scrap, following)
        stations.add_row(*map(escape, cells))
    if found["stations"] is not None:
        out.print(stations)
    receivers = Table(title="Receivers", title_justify="left")
    for column in ("receiver", "state", "settled through", "waiting", "quarantined", "compared", "detail"):
        receivers.add_column(column)
    for one in found["receivers"] or ():
        detail = " ".join(part for part in (one["detail"], one["hint"]) if part)
        figures = (str(one[name]) for name in ("settled_through", "waiting", "quarantined"))
        receivers.add_row(
            *map(escape, (one["name"], one["state"], *figures, _proven(loaded.edge.zone, one), detail))
        )
    if found["receivers"] is not None:
        out.print(receivers)
    for alert in found["alerts"]:
        since = _local(loaded.edge.zone, alert["raised_ms"])
        out.print(f"[bold red]![/] {since}", escape(alert["text"]), highlight=False)
        out.print(f"  {escape(alert['hint'])}", highlight=False)
    held = found["master_data"]
    if held is None:
        out.print("Master data: cannot be read, see above")
        return
    age = f"{held['age_s']} s old" if held["age_s"] is not None else "never received"
    out.print(f"Master data: {held['work_orders']} work orders, {age}", highlight=False)


def _kept(receivers: list[dict[str, Any]] | None) -> str:
    """What becomes of facts while nothing is delivered."""
    if receivers is None:
        return "facts wait here, none is lost"
    waiting = max((one["waiting"] for one in receivers), default=0)
    if not waiting:
        return "nothing waits, nothing is lost"
    return (
        f"{waiting:,} facts wait here, none is lost" if waiting > 1 else "1 fact waits here, it is not lost"
    )


def _warn(found: dict[str, Any]) -> None:
    """What nobody may overlook, before everything else."""
    said = []
    if storage := _unrecorded(found):
        said.append(f"{storage['text']['en']}: {storage['message']}. {storage['hint']}")
    if found["delivery"]["needed"] and found["delivery"]["running"] is False:
        said.append(f"{NOT_RUNNING}: {_kept(found['receivers'])}. {START}")
    for text in [*said, *found["problems"]]:
        out.print("[bold red]✕[/]", escape(text), highlight=False, soft_wrap=True)


def _proven(zone: ZoneInfo, receiver: dict[str, Any]) -> str:
    if receiver["compared_ms"] is None:
        return "-"
    unproven = receiver["unproven"]
    verdict = f"✕ {unproven} not proven: lineside reconcile list" if unproven else "✓"
    behind = ", not since: it waits" if receiver["state"] in _WAITING and receiver["waiting"] else ""
    return f"{_local(zone, receiver['compared_ms'])} {verdict}{behind}"


def _local(zone: ZoneInfo, ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone):%Y-%m-%d %H:%M}"
