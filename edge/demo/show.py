"""`lineside demo`: the plant at work, watched from a terminal.

In a terminal a live page; elsewhere one line for each scan and event. `--once` works one order to its end and
proves the figures.
"""

import asyncio
import contextlib
import signal
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.demo.compare import Comparison, compare
from edge.demo.operator import Operator
from edge.demo.plant import Plant, plant
from edge.events import Event, decode
from edge.faults import Fault, StorageFault
from edge.journal import Reader
from edge.station.noting import detail
from sync.status import load_status

CYCLE_S = 0.5
ONCE_CYCLE_S = 0.2
ONCE_ORDER = "10045680"
PACE_S = 0.7
ONCE_PACE_S = 0.15
DELIVERED_S = 30.0  # how long the end of --once waits for the last event to be posted
OUTAGE_AFTER_S, OUTAGE_S = 5.0, 15.0  # after production began
KILL_AFTER_S = 8.0
ONCE_TROUBLE_AFTER_S, ONCE_OUTAGE_S = 2.0, 3.0


class Watch:
    """What the terminal shows: gathered from the journal, sync's file and the ERP's pages."""

    def __init__(self, plant: Plant, operator: Operator) -> None:
        self.plant = plant
        self.operator = operator
        self.events: deque[Event] = deque(maxlen=10)
        self.head = 0
        self.settled = 0
        self.state = "starting"
        self.received: dict[str, Any] = {}
        self.sheet: dict[str, Any] = {}
        self.note = ""
        self.first_event_s: float | None = None
        self._began_s = time.monotonic()

    async def follow(self, lines: Console | None) -> None:
        """Read events as they are committed; print each where there is no live page."""
        while True:
            try:
                async with await Reader.open(self.plant.journal) as reader:
                    await self._read(reader, lines)
            except StorageFault:
                await asyncio.sleep(0.1)  # the collector has not made its journal yet

    async def _read(self, reader: Reader, lines: Console | None) -> None:
        while True:
            for seq, body in await reader.read_after(self.head, 500):
                event = decode(body)
                self.events.append(event)
                self.head = seq
                self.first_event_s = self.first_event_s or time.monotonic() - self._began_s
                if lines:
                    lines.print(f"event {event_line(event)}", highlight=False, markup=False, soft_wrap=True)
            await reader.wait_beyond(self.head)

    async def ask(self) -> None:
        """Ask sync's file and the ERP every half second."""
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                for uplink in load_status(self.plant.sync_store).uplinks:
                    self.settled, self.state = uplink.seq, uplink.state
                base = self.plant.erp.pages_url
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
                    sources = (await _get(session, f"{base}/received.json"))["sources"]
                    self.received = sources[0] if sources else {}
                    if self.operator.tallies:
                        order = self.operator.tallies[-1].work_order
                        self.sheet = await _get(session, f"{base}/orders/{order}.json")
                await asyncio.sleep(0.5)

    def __rich__(self) -> Group:
        return Group(self._line(), self._scans_and_events(), self._delivery(), self._addresses())

    def _line(self) -> Panel:
        press, operator = self.plant.press, self.operator
        state = "[bold cyan]RUNNING[/]" if press.running else "stopped"
        collector = "up" if self.plant.collector.running else "[bold red]DOWN, restarting[/]"
        starts = f" (started {self.plant.collector.starts} times)" if self.plant.collector.starts > 1 else ""
        text = (
            f"press {state}  counter {press.count:,}  energy {press.energy_kwh:.3f} kWh   "
            f"operator 1042 {operator.doing}\ncollector {collector}{starts}"
            + (f"   [bold]{self.note}[/]" if self.note else "")
        )
        return Panel(text, title="line L3, station OP20", title_align="left")

    def _scans_and_events(self) -> Table:
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=1)
        grid.add_column(ratio=3)
        scans = Text("\n").join(_scan_text(scan.text, scan.verdict) for scan in self.operator.scans)
        events = Text("\n").join(Text(event_line(event), no_wrap=True) for event in self.events)
        grid.add_row(
            Panel(scans, title=f"last scans ({self.operator.scan_count})", title_align="left", height=12),
            Panel(events, title=f"journal: {self.head} events", title_align="left", height=12),
        )
        return grid

    def _delivery(self) -> Panel:
        erp = "[bold red]CUT OFF[/]" if not self.plant.way.listening else "reachable"
        waiting = max(0, self.head - self.settled)
        received = self.received
        text = (
            f"ERP {erp}   delivery {self.state}   recorded {self.head}   "
            f"waiting [bold]{waiting}[/]{' (safe)' if waiting and not self.plant.way.listening else ''}   "
            f"posted {received.get('accepted', 0)}   rejected {received.get('rejected', 0)}   "
            f"duplicates refused {received.get('duplicates', 0)}\n{' '.join(self._cost())}"
        )
        return Panel(text, title="delivery and cost", title_align="left")

    def _cost(self) -> Iterator[str]:
        sheet = self.sheet
        if not sheet:
            return
        yield f"WO {sheet['work_order']} so far: "
        for element in ("material", "labour", "machine", "energy"):
            held = sheet["totals"].get(element) or {}
            value = held.get("value")
            yield f"{element} {'unknown' if value is None else f'{float(value):.2f}'}  "
        total = sheet["total"]
        least = "at least " if total["at_least"] else ""
        yield f"[bold]total {least}{float(total['value'] or 0):.2f} {sheet.get('currency') or ''}[/]"

    def _addresses(self) -> Text:
        return Text(
            f"operator page  {self.plant.pages_url}/stations/OP20\n"
            f"cost sheets    {self.plant.erp.pages_url}/\n"
            f"files          {self.plant.folder}\n"
            "Ctrl-C ends the demo"
        )


def event_line(event: Event) -> str:
    """An event in one line: seq, local time, type, what a person recognises."""
    kind = event.type.removeprefix("lineside.").removesuffix(".v1")
    subject = event.subject if isinstance(event.subject, str) else ""
    return f"{event.seq:>5} {event.time[11:19]}Z {kind:<18} {subject:<14} {detail(event.data)}".rstrip()


def _scan_text(text: str, verdict: str | None) -> Text:
    signs = {"good": ("✓", "cyan"), "bad": ("✕", "red"), None: ("?", "yellow")}
    sign, colour = signs[verdict]
    return Text(f"{sign} {text}", style=colour, no_wrap=True)


def demonstrate(once: bool, outage: bool, kill: bool, keep: Path | None, mqtt: bool = False) -> int:
    """Run the demo. Returns the exit code."""
    with contextlib.ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lineside-demo-")))
        else:
            folder = keep.absolute()
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise Fault(f"{folder} is not empty", hint="Name a new folder with --keep")
        return asyncio.run(_demonstrate(folder, once, outage, kill, mqtt))


async def _demonstrate(folder: Path, once: bool, outage: bool, kill: bool, mqtt: bool) -> int:
    console = Console(emoji=False)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with plant(folder, ONCE_CYCLE_S if once else CYCLE_S, mqtt) as built:
        operator = Operator(
            built.press, built.gun, built.last_fact_ms, built.orders(), ONCE_PACE_S if once else PACE_S
        )
        watch = Watch(built, operator)
        lines = None if console.is_terminal else console
        background = [
            asyncio.create_task(built.collector.keep(), name="collector"),
            asyncio.create_task(watch.follow(lines), name="follow"),
            asyncio.create_task(watch.ask(), name="ask"),
        ]
        if outage:
            background.append(asyncio.create_task(_cut_off(watch, once), name="outage"))
        if kill:
            background.append(asyncio.create_task(_kill(watch, once), name="kill"))
        work = asyncio.create_task(_one_order(operator) if once else operator.shift(), name="operator")
        kept = [background[0], *built.working]
        waits = [work, *kept, asyncio.create_task(stop.wait(), name="stop")]
        try:
            await _show(console, watch, waits)
            if work.done() and once and not stop.is_set():
                work.result()
                return await _prove(console, watch)
            for one in kept:
                if one.done() and not stop.is_set():
                    one.result()
        finally:
            ended = [*background, work, waits[-1]]
            for task in ended:
                task.cancel()
            await asyncio.gather(*ended, return_exceptions=True)
    console.print("demo ended", highlight=False)
    return 0


async def _show(console: Console, watch: Watch, waits: list[asyncio.Task[Any]]) -> None:
    """Show the live page until something ends; in a file or pipe the lines speak for themselves."""
    if not console.is_terminal:
        console.print(f"operator page {watch.plant.pages_url}/stations/OP20", highlight=False)
        console.print(f"cost sheets {watch.plant.erp.pages_url}/", highlight=False)
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return
    with Live(watch, console=console, refresh_per_second=4, transient=False, redirect_stderr=False):
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)


async def _one_order(operator: Operator) -> None:
    await operator.sign_on()
    await operator.work(next(order for order in operator.orders if order["work_order"] == ONCE_ORDER))


async def _cut_off(watch: Watch, once: bool) -> None:
    await _produced_for(watch, ONCE_TROUBLE_AFTER_S if once else OUTAGE_AFTER_S)
    watch.note = "network to the ERP is cut: scanning goes on"
    await watch.plant.way.cut()
    await asyncio.sleep(ONCE_OUTAGE_S if once else OUTAGE_S)
    watch.note = "network is back: the backlog drains"
    await watch.plant.way.restore()


async def _kill(watch: Watch, once: bool) -> None:
    await _produced_for(watch, ONCE_TROUBLE_AFTER_S if once else KILL_AFTER_S)
    watch.note = "collector was killed with SIGKILL in the middle of production"
    watch.plant.collector.kill()


async def _produced_for(watch: Watch, seconds: float) -> None:
    while not watch.plant.press.running:
        await asyncio.sleep(0.05)
    await asyncio.sleep(seconds)


async def _prove(console: Console, watch: Watch) -> int:
    """Wait until everything is posted, then compare."""
    deadline = time.monotonic() + DELIVERED_S
    while time.monotonic() < deadline:
        async with await Reader.open(watch.plant.journal) as reader:
            head = await reader.head()
        if watch.plant.way.listening and any(
            one.seq >= head for one in load_status(watch.plant.sync_store).uplinks
        ):
            break
        await asyncio.sleep(0.1)
    found = await compare(watch.plant, watch.operator.tallies[-1])
    console.print(_table(found))
    if watch.first_event_s is not None:
        console.print(f"first event after {watch.first_event_s:.1f} s", highlight=False)
    sound = not found.verification.problems
    console.print(
        f"journal: {found.verification.events} events, "
        + ("chain sound" if sound else found.verification.problems[0])
        + f"; collector started {watch.plant.collector.starts} time(s)",
        highlight=False,
    )
    console.print(
        "[bold cyan]✓ floor, journal and ERP agree to the last digit[/]"
        if found.equal
        else "[bold red]✕ NOT EQUAL: see the rows marked ✕[/]"
    )
    return 0 if found.equal else 1


def _table(found: Comparison) -> Table:
    table = Table(title="Comparison", title_justify="left")
    table.add_column("figure")
    for column in ("floor", "journal", "ERP"):
        table.add_column(column, justify="right")
    table.add_column("")
    for row in found.rows:
        sign = "[cyan]✓[/]" if row.same else "[bold red]✕[/]"
        table.add_row(
            row.what,
            f"{row.floor} ±{row.within}" if row.within else row.floor or "-",
            row.journal or "-",
            row.erp or "-",
            sign,
        )
    return table


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as answer:
        found: dict[str, Any] = await answer.json()
        return found
