"""`lineside events`: look at the journal, take events out of it, prove that nothing was changed."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from edge import epochs, main
from edge.cli.common import FAULT, NUMBER_MAX, USAGE, AsJson, Config, err, guarded, out
from edge.epochs import Epoch
from edge.events import Event, decode, instant
from edge.faults import Damaged, StorageFault
from edge.journal import Reader, Verification, verify
from edge.proving import Proof, prove
from edge.ring import SAMPLES, last_samples
from edge.schema import unusable
from edge.station.noting import detail

app = typer.Typer(
    no_args_is_help=True, help="The journal: tail, export, verify; and samples, the raw scans and readings."
)
PAGE = 500


Kept = Annotated[
    str | None,
    typer.Option(
        "--epoch", help="A journal that was set aside: `events verify` names them.", show_default=False
    ),
]


@app.command()
@guarded
def tail(
    config: Config = None,
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, max=NUMBER_MAX, help="How many of the last events.")
    ] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as events come. Ctrl-C ends.")
    ] = False,
    epoch: Kept = None,
    as_json: AsJson = False,
) -> None:
    """Show the last events."""

    async def show(reader: Reader) -> None:
        at = max(0, await reader.head() - number)
        while True:
            for seq, body in await reader.read_after(at, PAGE):
                text = body.decode(errors="replace") if as_json else _shown(body)
                out.out(text, highlight=False)
                at = seq
            if await reader.head() <= at:
                if not follow:
                    return
                await reader.wait_beyond(at)

    path = _journal(config, epoch)
    _name_others(path, "tail")
    try:
        _with_reader(path, show)
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command()
@guarded
def export(
    config: Config = None,
    first: Annotated[int, typer.Option("--from", min=1, max=NUMBER_MAX, help="The first seq.")] = 1,
    last: Annotated[
        int | None, typer.Option("--to", min=1, max=NUMBER_MAX, help="The last seq.", show_default=False)
    ] = None,
    epoch: Kept = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; else standard output.", show_default=False)
    ] = None,
) -> None:
    """Write events as they went out: one CloudEvents JSON object a line."""
    if last is not None and last < first:
        err.print(f"--to {last} is before --from {first}. Nothing was exported")
        raise typer.Exit(USAGE)
    written = 0

    async def write(reader: Reader) -> None:
        nonlocal written
        at = first - 1
        target = _opened(output) if output else typer.get_binary_stream("stdout")
        try:
            while rows := await reader.read_after(at, PAGE):
                for seq, body in rows:
                    if last is not None and seq > last:
                        return
                    target.write(body + b"\n")
                    at, written = seq, written + 1
        finally:
            target.flush()
            if output:
                target.close()

    path = _journal(config, epoch)
    try:
        _with_reader(path, write)
    finally:
        err.print(f"{written} events exported", highlight=False)
    _name_others(path, "export")


@app.command()
@guarded
def samples(
    config: Config = None,
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, max=NUMBER_MAX, help="How many of the last ones.")
    ] = 20,
    device: Annotated[
        str | None, typer.Option("--device", "-d", help="Of one device.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the last raw scans and readings: evidence, written about ten seconds late."""
    loaded = main.load(config)
    if device is not None and device not in loaded.devices:
        known = ", ".join(loaded.devices) or "none is configured"
        err.print(f"There is no device {device!r}. Devices: {known}", markup=False, soft_wrap=True)
        raise typer.Exit(USAGE)
    for one in last_samples(loaded.edge.data_dir / SAMPLES, number, device):
        value = one.value.hex(" ") if isinstance(one.value, bytes) else one.value
        if as_json:
            out.out(json.dumps(one._asdict() | {"value": value}, ensure_ascii=False), highlight=False)
            continue
        # What a scanner read may hold what a terminal would obey.
        text = "".join(char if char.isprintable() else "�" for char in str(value))
        span = f"  {one.low} … {one.high}, {one.reads} changes" if one.kind == "span" else ""
        at = instant(one.at_ms)
        out.out(
            f"{at}  {one.kind:<10} {one.device:<10} {one.name:<10} {text}  {one.verdict}{span}",
            highlight=False,
        )


@app.command(name="verify")
@guarded
def verify_command(config: Config = None, as_json: AsJson = False) -> None:
    """Check number, chain and form of every event, set-aside journals too. Exit code 1 if one is wrong."""

    path = main.load(config).edge.data_dir / main.JOURNAL
    taken, unread = _taken(path.with_name(main.STORE))
    proofs = prove(path, taken, lambda one, reader: _checked(one, reader, as_json))
    remarks = (*unread, *proofs.remarks)
    if not proofs.journals:
        raise StorageFault(f"{path} is not there", hint="Start lineside once, or check edge.data_dir")
    if as_json:
        last = msgspec.to_builtins(proofs.journals[-1].found)
        journals = [_as_json(one) for one in proofs.journals]
        out.out(json.dumps({**last, "journals": journals, "remarks": remarks}))
    else:
        for one in proofs.journals:
            _tell(one, path)
        for remark in remarks:
            _say(remark)
        if damaged := sorted(path.parent.glob(f"{path.stem}-damaged-*.db")):
            _say(f"Kept as found damaged: {', '.join(one.name for one in damaged)}")
    if not all(one.sound for one in proofs.journals):
        raise typer.Exit(FAULT)


def _taken(store: Path) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """By epoch what receivers took; a remark where that cannot be read."""
    try:
        return main.load_taken(store), ()
    except StorageFault as fault:
        return {}, (f"What receivers took was not looked at: {fault.message}",)


async def _checked(one: Epoch, reader: Reader, quiet: bool) -> Verification:
    with Progress(
        TextColumn(f"verifying {one.path.name}"), BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,}"), TimeRemainingColumn(),
        console=err, transient=True, disable=quiet,
    ) as progress:  # fmt: skip
        task = progress.add_task("verify", total=one.head)
        return await verify(reader, lambda seq: progress.update(task, completed=seq))


def _as_json(one: Proof) -> dict[str, Any]:
    file = one.path.name if one.path else None
    return {"epoch": one.epoch, "file": file, "missing": one.missing, **msgspec.to_builtins(one.found)}


def _tell(one: Proof, current: Path) -> None:
    found, name = one.found, one.path.name if one.path else "no file of it is kept"
    if one.sound:
        _say(f"sound: {found.events:,} events, seq {found.first} to {found.last} of {name}")
        _say(f"epoch {one.epoch}, no number missing, the chain holds")
        return
    epoch = f"epoch {one.epoch}" if one.epoch else "the journal before"
    out.print(f"[bold red]NOT SOUND[/]: {name}, {epoch}", highlight=False, soft_wrap=True)
    for problem in found.problems:
        _say(f"  {problem}")
    if one.missing:
        _say(f"  missing: seq {_worded(one.missing)}")
    if one.path:
        span = f", seq {found.first} to {found.last}" if found.events else ""
        _say(f"  what can be read: {found.events:,} events{span}")
    if one.path == current and found.problems:
        _say("  Restart `lineside collect`: it sets the file aside, keeps it, and delivers what it proves.")
    _say("  Keep the files. What receivers hold can be compared by reconciliation.")


def _worded(missing: str) -> str:
    """Where nobody knows how many there were, it ends with a dash."""
    known, _, open_ = missing.rpartition(",")
    if not open_.endswith("-"):
        return missing
    return f"{known}{', ' if known else ''}{open_.removesuffix('-')} and what followed"


def _say(text: str) -> None:
    out.print(text, highlight=False, soft_wrap=True, markup=False)


def _opened(output: Path) -> IO[bytes]:
    try:
        return output.open("xb")
    except FileExistsError as error:
        raise StorageFault(f"{output} exists and was left as it is", hint="Name another file") from error
    except OSError as error:
        raise StorageFault(
            f"{output} cannot be written: {error.strerror}", hint="Name another file"
        ) from error


def _shown(body: bytes) -> str:
    try:
        return _line(decode(body))
    except msgspec.DecodeError as error:
        return f"damaged: {error}; `lineside events verify` tells more"


def _journal(config: Path | None, epoch: str | None) -> Path:
    """The current journal, or the one of an epoch that was set aside. Exits with 2 where there is none."""
    path = main.load(config).edge.data_dir / main.JOURNAL
    kept = epochs.set_aside(path)
    if epoch is not None and epoch not in kept:
        known = ", ".join(kept) or "none is here"
        err.print(f"There is no journal {epoch!r} that was set aside. Those set aside: {known}", markup=False)
        raise typer.Exit(USAGE)
    return path if epoch is None else kept[epoch]


def _name_others(path: Path, command_: str) -> None:
    """Set-aside journals that are not shown, on standard error."""
    current = path.with_name(main.JOURNAL)
    if others := {epoch: one for epoch, one in epochs.set_aside(current).items() if one != path}:
        names = ", ".join(one.name for one in others.values())
        ways = "; ".join(f"lineside events {command_} --epoch {epoch}" for epoch in others)
        err.print(f"Not in it, set aside before: {names}. For them: {ways}", soft_wrap=True, highlight=False)


def _with_reader(path: Path, use: Callable[[Reader], Awaitable[None]]) -> None:
    async def run() -> None:
        async with await Reader.open(path) as reader:
            try:
                await use(reader)
            except sqlite3.Error as error:
                fault = unusable(path, error)
                if isinstance(fault, Damaged):
                    hint = "`lineside events verify` tells what can be read of it, and what to do"
                    raise Damaged(fault.message, hint=hint) from error
                raise fault from error

    asyncio.run(run())


def _line(event: Event) -> str:
    kind = event.type.removeprefix("lineside.").removesuffix(".v1")
    subject = event.subject if isinstance(event.subject, str) else ""
    station = event.data.station or ""
    return (
        f"{event.seq:>8}  {event.time}  {kind:<20} {station:<8} {subject:<16} {detail(event.data)}".rstrip()
    )
