"""`lineside review`: what waits for a person, and deciding on it, at the running collector."""

import json
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from edge import main
from edge.cli import finding
from edge.cli.calling import call, record
from edge.cli.common import UNREACHABLE, USAGE, AsJson, Config, err, guarded, out
from edge.settings import Settings

app = typer.Typer(no_args_is_help=True, help="What waits for a person: list it, settle it, make up for it.")

Id = Annotated[str, typer.Argument(help="The entry, as `review list` names it; its end is enough.")]
Ids = Annotated[list[str], typer.Argument(help="The entries, as `review list` names them.")]
Person = Annotated[str, typer.Option("--person", "-p", help="Whose decision it is: number or badge.")]
Second = Annotated[str | None, typer.Option("--approved-by", help="The second person, where two are needed.")]
Note = Annotated[str | None, typer.Option("--note", "-n", help="Why.")]
Confirm = Annotated[bool, typer.Option("--confirm", help="It is meant, though checks doubt it.")]
_SAID_ELSEWHERE = ("texts", "evidence", "possible", "words", "of")
_PART = 'A part is "<quantity> <order>/<operation> [<disposition> [<reason>]]", "<quantity>" for none'

_FIGURE = 'A right figure: "<quantity> [<disposition> [<reason>]]", of material "[<quantity>] [lot=<lot>]"'


@app.command("list")
@guarded
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Show what waits for a person, oldest first, and the alerts that stand."""
    loaded = main.load(config)
    found = _found(loaded)
    if as_json:
        out.out(json.dumps(found, ensure_ascii=False))
        return
    table = Table()
    for column in ("entry", "since", "station", "what", "before", "after", "possible"):
        table.add_column(column)
    for one in found["waiting"]:
        evidence = one["evidence"]
        table.add_row(
            one["id"][-8:], _local(loaded, one["from"]), one["station"], escape(_said(loaded, one)),
            evidence.get("before", "-"), evidence.get("after", "-"), ", ".join(one["possible"]),
        )  # fmt: skip
    if found["waiting"]:
        out.print(table)
    else:
        out.print("Nothing waits.")
    if found["undated"]:
        out.print("!", escape(_said(loaded, found["undated"])), highlight=False)
    for alert in found["alerts"]:
        out.print("!", escape(f"{alert['text']}. {alert['hint']}"), highlight=False, soft_wrap=True)


@app.command()
@guarded
def show(entry: Id, config: Config = None, as_json: AsJson = False) -> None:
    """Show one entry with all its evidence."""
    loaded = main.load(config)
    one = _entry(_found(loaded), entry)
    if as_json:
        out.out(json.dumps(one, ensure_ascii=False))
        return
    out.print(f"[bold]{escape(_said(loaded, one))}[/]", highlight=False)
    rows = {key: value for key, value in one.items() if key not in _SAID_ELSEWHERE}
    language = "zh" if loaded.edge.language.startswith("zh") else "en"
    worded = {key: text[language] for key, text in one["words"].items()}
    for key, value in (rows | one["evidence"] | worded).items():
        shown = ", ".join(value) if isinstance(value, list) else value
        out.print(f"  {key:10}", escape(str(shown)), highlight=False, soft_wrap=True)
    out.print("  possible  ", ", ".join(one["possible"]), highlight=False)


@app.command()
@guarded
def accept(
    entries: Ids, person: Person, approved_by: Second = None, note: Note = None,
    config: Config = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """It is as the evidence says. A held jump was real; pieces without an order belong to none."""
    _settle(config, as_json, person, approved_by, note, "accept", entries, {})


@app.command()
@guarded
def reverse(
    entries: Ids, person: Person, approved_by: Second = None, note: Note = None,
    config: Config = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """It did not occur."""
    _settle(config, as_json, person, approved_by, note, "reverse", entries, {})


@app.command()
@guarded
def reassign(
    entry: Id,
    person: Person,
    to: Annotated[str | None, typer.Option(help="<order>/<operation>.")] = None,
    quantity: Annotated[
        str | None, typer.Option(help="How many, of a held jump; of what was reported: the right figure.")
    ] = None,
    disposition: Annotated[str, typer.Option(help="good, concession, rework or scrap.")] = "good",
    reason: Annotated[str | None, typer.Option(help="Of scrap and rework.")] = None,
    lot: Annotated[str | None, typer.Option(help="The lot that was used, of material without one.")] = None,
    approved_by: Second = None,
    note: Note = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """All of it belongs to one order, is of one lot, or is another figure."""
    share = _job(to) | {"quantity": quantity, "disposition": disposition, "reason": reason, "lot": lot}
    _settle(config, as_json, person, approved_by, note, "reassign", [entry], {"to": _without_none(share)})


@app.command()
@guarded
def split(
    entry: Id,
    person: Person,
    part: Annotated[list[str], typer.Option(help=escape(f"{_PART}; of material: `<quantity> lot=<lot>`."))],
    approved_by: Second = None,
    note: Note = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """It belongs to several orders, dispositions or lots: all of it, in parts."""
    parts = [_part(one) for one in part]
    _settle(config, as_json, person, approved_by, note, "split", [entry], {"parts": parts})


@app.command()
@guarded
def correct(
    fact: Annotated[
        str,
        typer.Argument(help="The fact, as `outbox list` or `events tail --json` has it; its end is enough."),
    ],
    person: Person,
    note: Annotated[str, typer.Option("--note", "-n", help="Why.")],
    reverse: Annotated[bool, typer.Option("--reverse", help="It did not occur.")] = False,
    part: Annotated[list[str] | None, typer.Option(help=escape(_FIGURE))] = None,
    approved_by: Second = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Correct a report, completion or consumption that does not wait: it did not occur, or was `part`."""
    loaded = main.load(config)
    asked = {
        "how": "correct", "corrects": finding.fact(loaded, fact), "person": person,
        "approved_by": approved_by, "note": note, "reverse": reverse,
        "parts": [_figure(one) for one in part or ()],
    }  # fmt: skip
    record(loaded, "/api/v1/settlements", _without_none(asked), as_json)


@app.command()
@guarded
def makeup(
    station: Annotated[str, typer.Option(help="Where it happened.")],
    time: Annotated[str, typer.Option(help="When: 2026-11-23T09:30, in the site's time zone.")],
    order: Annotated[str, typer.Option(help="<order>/<operation>.")],
    person: Person,
    note: Annotated[str, typer.Option("--note", "-n", help="Why it was not recorded then.")],
    good: Annotated[str | None, typer.Option(help="Good pieces.")] = None,
    scrap: Annotated[list[str] | None, typer.Option(help='"<quantity> <reason>".')] = None,
    rework: Annotated[list[str] | None, typer.Option(help='"<quantity> <reason>".')] = None,
    material: Annotated[
        list[str] | None, typer.Option(help=escape('"<material> <quantity> [<unit>] [lot=<lot>]".'))
    ] = None,
    labour: Annotated[list[str] | None, typer.Option(help='"<person> <seconds>".')] = None,
    machine_s: Annotated[str | None, typer.Option(help="Machine time in seconds.")] = None,
    confirm: Confirm = False,
    approved_by: Second = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Enter what happened and nobody recorded (补录)."""
    loaded = main.load(config)
    outputs = [{"quantity": good}] if good else []
    outputs += [_defect("scrap", one) for one in scrap or ()] + [
        _defect("rework", one) for one in rework or ()
    ]
    asked = _job(order) | {
        "how": "make_up", "station": station, "time": _instant(loaded, time), "person": person,
        "approved_by": approved_by, "note": note, "outputs": outputs,
        "materials": [_material(one) for one in material or ()],
        "labour": [_labour(one) for one in labour or ()], "machine_s": machine_s, "confirm": confirm,
    }  # fmt: skip
    record(loaded, "/api/v1/settlements", _without_none(asked), as_json)


def _settle(
    config: Config, as_json: bool, person: str, second: str | None, note: str | None, how: str,
    entries: list[str], more: dict[str, Any],
) -> None:  # fmt: skip
    loaded = main.load(config)
    found = _found(loaded)
    settles = [_entry(found, one)["id"] for one in entries]
    asked = {"how": how, "settles": settles, "person": person, "approved_by": second, "note": note}
    record(loaded, "/api/v1/settlements", _without_none(asked | more), as_json)


def _found(loaded: Settings) -> dict[str, Any]:
    code, answer = call(loaded, "/api/v1/review")
    if code != 200 or "waiting" not in answer:
        err.print(f"Another program answers at http://{loaded.web.listen}", markup=False)
        raise typer.Exit(UNREACHABLE)
    return answer


def _entry(found: dict[str, Any], named: str) -> dict[str, Any]:
    """The entry whose id ends so."""
    matching: list[dict[str, Any]] = [one for one in found["waiting"] if one["id"].endswith(named)]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        _usage(f"{named!r} does not wait. Nothing recorded. Look at `lineside review list`")
    return _usage(f"{named!r} names {len(matching)} entries. Nothing recorded. Give more of the id")


def _job(given: str | None) -> dict[str, str]:
    if given is None:
        return {}
    order, slash, operation = given.partition("/")
    if not (slash and order and operation):
        _usage(f"{given!r} is no <order>/<operation>. Nothing recorded")
    return {"work_order": order, "operation": operation}


def _part(given: str) -> dict[str, str]:
    words = given.split()
    if not words:
        _usage(f"{_PART}. Nothing recorded")
    part, rest = {"quantity": words[0]}, words[1:]
    if rest and rest[0].startswith("lot="):
        return part | {"lot": rest[0][4:]}
    if len(rest) > 3:
        _usage(f"{given!r}: {_PART}. Nothing recorded")
    named = dict(zip(("disposition", "reason"), rest[1:], strict=False))
    return part | (_job(rest[0]) if rest else {}) | named


def _figure(given: str) -> dict[str, str]:
    words = given.split()
    lot = next((word[4:] for word in words if word.startswith("lot=")), None)
    words = [word for word in words if not word.startswith("lot=")]
    if len(words) > (1 if lot else 3) or not (words or lot):
        _usage(f"{given!r}: {_FIGURE}. Nothing recorded")
    found = dict(zip(("quantity", "disposition", "reason"), words, strict=False))
    return found | ({"lot": lot} if lot else {})


def _defect(disposition: str, given: str) -> dict[str, str]:
    quantity, reason = _two(given, "<quantity> <reason>")
    return {"quantity": quantity, "disposition": disposition, "reason": reason}


def _labour(given: str) -> dict[str, str]:
    operator, s = _two(given, "<person> <seconds>")
    return {"operator": operator, "s": s}


def _two(given: str, form: str) -> tuple[str, str]:
    words = given.split()
    if len(words) != 2:
        _usage(f'{given!r} is no "{form}". Nothing recorded')
    return words[0], words[1]


def _material(given: str) -> dict[str, str]:
    words = given.split()
    lot = next((word[4:] for word in words if word.startswith("lot=")), None)
    words = [word for word in words if not word.startswith("lot=")]
    if not 2 <= len(words) <= 3:
        _usage(f'{given!r} is no "<material> <quantity> [<unit>] [lot=<lot>]". Nothing recorded')
    found = dict(zip(("material", "quantity", "unit"), words, strict=False))
    return found | ({"lot": lot} if lot else {})


def _instant(loaded: Settings, given: str) -> str:
    """A time as typed; without an offset it is the site's."""
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return given  # the collector says what is wrong with it
    return (found if found.tzinfo else found.replace(tzinfo=loaded.edge.zone)).isoformat()


def _local(loaded: Settings, instant: str) -> str:
    return datetime.fromisoformat(instant).astimezone(loaded.edge.zone).strftime("%m-%d %H:%M")


def _said(loaded: Settings, one: dict[str, Any]) -> str:
    return str(one["texts"]["zh" if loaded.edge.language.startswith("zh") else "en"])


def _without_none(given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value is not None}


def _usage(text: str) -> NoReturn:
    err.print(text, markup=False, highlight=False)
    raise typer.Exit(USAGE)
