"""`lineside events`: look at the journal, take events out of it, prove that nothing was changed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Annotated, TypeVar

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from edge import epochs, main
from edge.cli.common import FAULT, AsJson, Config, err, guarded, out
from edge.epochs import Epoch
from edge.events import Event, decode, instant
from edge.faults import StorageFault
from edge.journal import Reader, Verification, verify
from edge.ring import SAMPLES, last_samples
from edge.station.noting import detail

app = typer.Typer(
    no_args_is_help=True, help="The journal: tail, export, verify; and samples, the raw scans and readings."
)
T = TypeVar("T")
PAGE = 500


@app.command()
@guarded
def tail(
    config: Config = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many of the last events.")] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as events come. Ctrl-C ends.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the last events."""

    async def show(reader: Reader) -> None:
        at = max(0, await reader.head() - number)
        while True:
            for seq, body in await reader.read_after(at, PAGE):
                out.out(body.decode() if as_json else _shown(body), highlight=False)
                at = seq
            if await reader.head() <= at:
                if not follow:
                    return
                await reader.wait_beyond(at)

    try:
        _with_reader(config, show)
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command()
@guarded
def export(
    config: Config = None,
    first: Annotated[int, typer.Option("--from", min=1, help="The first seq.")] = 1,
    last: Annotated[int | None, typer.Option("--to", min=1, help="The last seq.", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; else standard output.", show_default=False)
    ] = None,
) -> None:
    """Write events as they went out: one CloudEvents JSON object a line."""

    async def write(reader: Reader) -> int:
        at, written = first - 1, 0
        target = _opened(output) if output else typer.get_binary_stream("stdout")
        try:
            while rows := await reader.read_after(at, PAGE):
                for seq, body in rows:
                    if last is not None and seq > last:
                        return written
                    target.write(body + b"\n")
                    at, written = seq, written + 1
        finally:
            target.flush()
            if output:
                target.close()
        return written

    written = _with_reader(config, write)
    err.print(f"{written} events exported", highlight=False)


@app.command()
@guarded
def samples(
    config: Config = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many of the last ones.")] = 20,
    device: Annotated[
        str | None, typer.Option("--device", "-d", help="Of one device.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the last raw scans and readings: evidence, written about ten seconds late."""
    for one in last_samples(main.load(config).edge.data_dir / SAMPLES, number, device):
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
    found = [(one, asyncio.run(_verified(one, as_json))) for one in epochs.listed(path)]
    if not found:
        raise StorageFault(f"{path} is not there", hint="Start lineside once, or check edge.data_dir")
    if as_json:
        journals = [
            {"epoch": one.epoch, "file": one.path.name, "missing": one.missing, **msgspec.to_builtins(result)}
            for one, result in found
        ]
        out.out(json.dumps({**msgspec.to_builtins(found[-1][1]), "journals": journals}))
    else:
        for one, result in found:
            _tell(one, result)
        if damaged := sorted(path.parent.glob(f"{path.stem}-damaged-*.db")):
            names = ", ".join(one.name for one in damaged)
            out.print(f"Kept as found damaged: {names}", highlight=False, soft_wrap=True)
    if any(result.problems or one.missing for one, result in found):
        raise typer.Exit(FAULT)


async def _verified(one: Epoch, quiet: bool) -> Verification:
    async with await Reader.open(one.path) as reader:
        with Progress(
            TextColumn(f"verifying {one.path.name}"), BarColumn(),
            TextColumn("{task.completed:,} of {task.total:,}"), TimeRemainingColumn(),
            console=err, transient=True, disable=quiet,
        ) as progress:  # fmt: skip
            task = progress.add_task("verify", total=one.head)
            return await verify(reader, lambda seq: progress.update(task, completed=seq))


def _tell(one: Epoch, result: Verification) -> None:
    def say(text: str) -> None:
        out.print(text, highlight=False, soft_wrap=True, markup=False)

    if not result.problems and not one.missing:
        say(f"sound: {result.events:,} events, seq {result.first} to {result.last} of {one.path.name}")
        say(f"epoch {one.epoch}, no number missing, the chain holds")
        return
    out.print(f"[bold red]NOT SOUND[/]: {one.path.name}, epoch {one.epoch}", highlight=False)
    for problem in result.problems:
        say(f"  {problem}")
    if one.missing:
        say(f"  missing since it was found damaged: seq {one.missing}")
    say("  Keep the files. What receivers hold can be compared by reconciliation.")


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


def _with_reader(config: Path | None, use: Callable[[Reader], Awaitable[T]]) -> T:
    async def run() -> T:
        async with await Reader.open(main.load(config).edge.data_dir / main.JOURNAL) as reader:
            return await use(reader)

    return asyncio.run(run())


def _line(event: Event) -> str:
    kind = event.type.removeprefix("lineside.").removesuffix(".v1")
    subject = event.subject if isinstance(event.subject, str) else ""
    station = event.data.station or ""
    return (
        f"{event.seq:>8}  {event.time}  {kind:<20} {station:<8} {subject:<16} {detail(event.data)}".rstrip()
    )
