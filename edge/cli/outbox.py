"""`lineside outbox`: what receivers have not settled; what they rejected, why, and deciding on it.

A decision goes to the running collector and becomes a fact; delivery acts when it reads it.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from edge import main
from edge.cli.calling import record
from edge.cli.common import FAULT, USAGE, AsJson, Config, err, guarded, out
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

_SHORT = 8  # characters of an id's end that are shown
_AT_ONCE = 100  # facts that one settlement names
_STATES = {
    "waiting": "rejected: retry or discard it",
    "held": "kept back behind a rejected fact of its work order",
    "retrying": "released: goes out again with the next call",
}


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
    found = main.quarantine(loaded.edge.data_dir, uplink)
    delivery = main.delivery(loaded.edge.data_dir, loaded)
    receivers = [one for one in delivery.receivers if uplink in (None, one.name)]
    if as_json:
        shown = {
            "receivers": [msgspec.structs.asdict(one) for one in receivers],
            "quarantine": [_entry(one) for one in found],
        }
        out.out(json.dumps(shown, ensure_ascii=False))
        return
    for receiver in receivers:
        text = f"{receiver.name}: {receiver.waiting:,} to send, {receiver.quarantined:,} in quarantine"
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
        row = (one.id[-_SHORT:], str(one.seq), one.uplink, one.subject or "-", _what(one.body), one.state)
        if every or one.state != "held":
            table.add_row(*map(escape, (*row, one.why or "-")))
    for kept in [] if every else _kept_back(found):
        table.add_row(*map(escape, kept))
    out.print(table)
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
    found = _matching(main.quarantine(loaded.edge.data_dir), fact)
    if as_json:
        out.out(
            json.dumps([_entry(one) | {"event": _decoded(one.body)} for one in found], ensure_ascii=False)
        )
        return
    out.print(escape(_line(found[0])), highlight=False, soft_wrap=True)
    for one in found:
        since = datetime.fromtimestamp(one.at_ms / 1000, UTC).astimezone(loaded.edge.zone)
        when = f"{since:%Y-%m-%d %H:%M} {loaded.edge.timezone}"
        rows = {"receiver": one.uplink, "since": when, "state": _STATES[one.state]}
        for key, value in (rows | ({"why": one.why} if one.why else {})).items():
            out.print(f"  {key:9}", escape(value), highlight=False, soft_wrap=True)
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
        err.print("Name the facts, or give --all. Nothing recorded", markup=False)
        raise typer.Exit(USAGE)
    held = [one for one in main.quarantine(loaded.edge.data_dir, uplink) if one.state == "waiting"]
    chosen = held if every else [one for named in facts or () for one in _matching(held, named)]
    ids = list(dict.fromkeys(one.id for one in chosen))
    if not ids:
        err.print("Nothing was rejected that waits for a decision. Nothing recorded", markup=False)
        raise typer.Exit(FAULT)
    for first in range(0, len(ids), _AT_ONCE):
        asked = {"how": how, "settles": ids[first : first + _AT_ONCE], "person": person}
        record(loaded, "/api/v1/settlements", asked | ({"note": note} if note else {}), as_json)


def _known(loaded: Settings, uplink: str | None) -> None:
    if uplink is not None and uplink not in loaded.receivers:
        known = ", ".join(loaded.receivers) or "none is configured"
        err.print(f"There is no receiver {uplink!r}. Receivers: {known}", markup=False)
        raise typer.Exit(USAGE)


def _matching(found: Sequence[main.Waiting], named: str) -> list[main.Waiting]:
    """The entries of the one fact whose id ends so; several where several receivers rejected it."""
    matching = [one for one in found if one.id.endswith(named)]
    if named and len({one.id for one in matching}) == 1:
        return matching
    said = "Several facts end in" if matching else "No fact in quarantine that can be decided ends in"
    err.print(f"{said} {named!r}; `lineside outbox list` names them. Nothing recorded", markup=False)
    raise typer.Exit(USAGE)


def _entry(one: main.Waiting) -> dict[str, Any]:
    return {
        "id": one.id, "seq": one.seq, "epoch": one.epoch, "receiver": one.uplink, "subject": one.subject,
        "work_order": one.work_order, "state": one.state, "since_ms": one.at_ms, "why": one.why,
        "problem": one.problem,
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
