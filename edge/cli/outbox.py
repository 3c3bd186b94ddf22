"""`lineside outbox`: what receivers have not settled; what they rejected, why, and deciding on it.

A decision goes to the running collector and becomes a fact; delivery acts when it reads it.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from edge import main
from edge.cli import finding
from edge.cli.calling import record
from edge.cli.common import FAULT, USAGE, AsJson, Config, err, guarded, out
from edge.cli.deciding import SHORT, Quarantine
from edge.delivering import NOT_RUNNING, START
from edge.events import Event, decode
from edge.settings import Settings
from edge.station.noting import detail

app = typer.Typer(no_args_is_help=True, help="What receivers have not settled: list, show, retry, discard.")

Ids = Annotated[
    list[str] | None, typer.Argument(help="The facts, as `outbox list` names them.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="All that was rejected, of --uplink or of every receiver.")]
Every = Annotated[bool, typer.Option("--all", help="Each fact that is kept back too, not only how many.")]
Uplink = Annotated[str | None, typer.Option("--uplink", "-u", help="Of one receiver.", show_default=False)]
Person = Annotated[str, typer.Option("--person", "-p", help="Whose decision it is: number or badge.")]
Note = Annotated[str | None, typer.Option("--note", "-n", help="Why.", show_default=False)]

_AT_ONCE = 100  # facts that one settlement names


@app.command("list")
@guarded
def list_(
    uplink: Uplink = None, every: Every = False, config: Config = None, as_json: AsJson = False
) -> None:
    """Show how much each receiver still has to settle, and what it rejected, oldest first.

    What is kept back behind a rejected fact is a line for each work order; --all shows each of it.
    """
    loaded = main.load(config)
    _known(loaded, uplink)
    quarantine = Quarantine.load(loaded)
    found = [one for one in quarantine.found if uplink in (None, one.uplink)]
    delivery = main.delivery(loaded.edge.data_dir, loaded)
    receivers = [one for one in delivery.receivers if uplink in (None, one.name)]
    if as_json:
        shown = {
            "receivers": [msgspec.to_builtins(one) for one in receivers],
            "quarantine": [_entry(quarantine, one) for one in found],
        }
        out.out(json.dumps(shown, ensure_ascii=False))
        return
    for receiver in receivers:
        text = f"{receiver.name}: {receiver.waiting:,} to send, {receiver.quarantined:,} in quarantine"
        if again := sum((one.uplink, one.state) == (receiver.name, "retrying") for one in found):
            text += f", {again:,} released to be sent again"
        out.print(escape(f"{text}, {receiver.state}"), highlight=False, soft_wrap=True)
    if receivers and delivery.running is False:
        out.print(f"{NOT_RUNNING}. {START}", highlight=False, soft_wrap=True)
    if not found:
        out.print("Nothing is in quarantine.")
        return
    table = Table()
    for column in ("fact", "seq", "receiver", "subject", "what", "state", "why"):
        table.add_column(column)
    for one in found:
        row = (one.id[-SHORT:], str(one.seq), one.uplink, one.subject or "-", _what(one.body),
               quarantine.state(one))  # fmt: skip
        if every or one.state != "held":
            table.add_row(*map(escape, (*row, one.why or "-")))
    for kept in [] if every else _kept_back(found):
        table.add_row(*map(escape, kept))
    out.print(table)
    if quarantine.decided:
        out.print("What is retried or discarded here waits for lineside sync to act on it.")
    out.print("`lineside outbox show <fact>` tells all of one; then retry, discard, or correct it.")


@app.command()
@guarded
def show(
    fact: Annotated[str, typer.Argument(help="The fact, as `outbox list` names it; its end is enough.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show one rejected fact: what it says, and what each receiver says about it."""
    loaded = main.load(config)
    quarantine = Quarantine.load(loaded)
    found = _matching(quarantine, fact, "")
    if as_json:
        shown = [_entry(quarantine, one) | {"event": _decoded(one.body)} for one in found]
        out.out(json.dumps(shown, ensure_ascii=False))
        return
    out.print(escape(_line(found[0])), highlight=False, soft_wrap=True)
    for one in found:
        since = datetime.fromtimestamp(one.at_ms / 1000, UTC).astimezone(loaded.edge.zone)
        when = f"{since:%Y-%m-%d %H:%M} {loaded.edge.timezone}"
        rows = {"receiver": one.uplink, "since": when, "state": quarantine.told(one)}
        for key, value in (rows | ({"why": one.why} if one.why else {})).items():
            out.print(f"  {key:9}", escape(value), highlight=False, soft_wrap=True)
    if any(quarantine.open_to("retry", one) for one in found):
        out.print(_ADVICE, highlight=False, soft_wrap=True)


@app.command()
@guarded
def retry(
    person: Person, facts: Ids = None, every: All = False, uplink: Uplink = None, note: Note = None,
    config: Config = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Offer rejected facts again, once what the receiver lacked is there."""
    _settle("retry", person, facts, every, uplink, note, config, as_json)


@app.command()
@guarded
def discard(
    person: Person,
    note: Annotated[str, typer.Option("--note", "-n", help="Why it may be missing there.")],
    facts: Ids = None,
    every: All = False,
    uplink: Uplink = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give up offering rejected facts; they stay in the journal, and the comparison names them."""
    _settle("discard", person, facts, every, uplink, note, config, as_json)


def _settle(
    how: str, person: str, facts: Sequence[str] | None, every: bool, uplink: str | None, note: str | None,
    config: Config, as_json: bool,
) -> None:  # fmt: skip
    loaded = main.load(config)
    _known(loaded, uplink)
    if bool(facts) == every:
        said = "Name the facts or give --all, not both" if every else "Name the facts, or give --all"
        _refuse(said, USAGE)
    quarantine = Quarantine.load(loaded)
    if every:
        waiting = [one for one in quarantine.found if uplink in (None, one.uplink) and one.state == "waiting"]
        chosen = [one for one in waiting if quarantine.open_to(how, one)]
        if not chosen:
            decided = f"{len(waiting)} were rejected and are decided: lineside sync acts on it when it runs"
            _refuse(decided if waiting else "Nothing was rejected that waits for a decision", FAULT)
    else:
        chosen = [_open(quarantine, how, named, uplink) for named in facts or ()]
    ids = list(dict.fromkeys(one.id for one in chosen))
    for first in range(0, len(ids), _AT_ONCE):
        asked = {"how": how, "settles": ids[first : first + _AT_ONCE], "person": person}
        record(loaded, "/api/v1/settlements", asked | ({"note": note} if note else {}), as_json)


def _known(loaded: Settings, uplink: str | None) -> None:
    if uplink is not None and uplink not in loaded.receivers:
        known = ", ".join(loaded.receivers) or "none is configured"
        err.print(f"There is no receiver {uplink!r}. Receivers: {known}", markup=False)
        raise typer.Exit(USAGE)


def _open(quarantine: Quarantine, how: str, named: str, uplink: str | None) -> main.Waiting:
    """An entry of the fact whose id ends so, for which that can be decided."""
    matching = _matching(quarantine, named, ". Nothing recorded")
    mine = [one for one in matching if uplink in (None, one.uplink)]
    if not mine:
        others = ", ".join(one.uplink for one in matching)
        _refuse(f"{matching[0].id[-SHORT:]} is not in quarantine for {uplink}, but for {others}", USAGE)
    able = [one for one in mine if quarantine.open_to(how, one)]
    if not able:
        told = "; ".join(f"{one.id[-SHORT:]} {quarantine.told(one)} ({one.uplink})" for one in mine)
        _refuse(told, FAULT)
    return able[0]


def _matching(quarantine: Quarantine, named: str, recorded: str) -> list[main.Waiting]:
    """The entries of the one fact whose id ends so; several where several receivers rejected it."""
    matching = quarantine.named(named)
    then = f"; `lineside outbox list` names them{recorded}"
    finding.only({one.id for one in matching}, named, "that a receiver rejected", then)
    return matching


def _refuse(said: str, code: int) -> NoReturn:
    err.print(f"{said}. Nothing recorded", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _entry(quarantine: Quarantine, one: main.Waiting) -> dict[str, Any]:
    decided = quarantine.on(one)
    return {
        "id": one.id, "seq": one.seq, "epoch": one.epoch, "receiver": one.uplink, "subject": one.subject,
        "work_order": one.work_order, "state": one.state, "since_ms": one.at_ms, "why": one.why,
        "problem": one.problem, "decided": decided.how if decided else None,
    }  # fmt: skip


def _kept_back(found: Sequence[main.Waiting]) -> Iterator[tuple[str, ...]]:
    """A line for the facts of each work order that wait behind a rejected one."""
    orders: dict[tuple[str, str, str], list[main.Waiting]] = {}
    for one in found:
        if one.state == "held":
            orders.setdefault((one.uplink, one.work_order or "-", one.epoch), []).append(one)
    for (receiver, order, _), kept in orders.items():
        first, last = kept[0].seq, kept[-1].seq
        seqs = f"{first}-{last}" if len(kept) > 1 else str(first)
        facts = f"{len(kept):,} facts" if len(kept) > 1 else "1 fact"
        yield "-", seqs, receiver, order, facts, "held", "kept back until what was rejected of it is decided"


def _event(body: bytes) -> Event | None:
    try:
        return decode(body)
    except msgspec.DecodeError:
        return None


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def _what(body: bytes) -> str:
    event = _event(body)
    if event is None:
        return "cannot be read"
    return f"{event.type.removeprefix('lineside.').removesuffix('.v1')} {detail(event.data)}".rstrip()


def _line(one: main.Waiting) -> str:
    event = _event(one.body)
    at = f"{event.time}  {event.data.station or '-'}" if event else "-"
    return f"{one.id}  seq {one.seq}  {at}  {one.subject or '-'}  {_what(one.body)}"


_ADVICE = (
    "Where the receiver lacked something (an order, an open period): put it right there, then `outbox retry`."
    " Where the fact is wrong: correct it at the station or in the review; the original stays, discard it"
    " here once the correction is posted. Where it shall not be posted: `outbox discard`."
)
