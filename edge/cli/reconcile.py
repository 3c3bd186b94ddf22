"""`lineside reconcile`: what receivers say they hold against what was recorded, and the certificates of it.

Exit codes: 0 everything shown matches, 1 it does not, 3 sync or the receiver does not answer.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from edge import main
from edge.cli.calling import call_sync
from edge.cli.common import FAULT, NUMBER_MAX, UNREACHABLE, USAGE, AsJson, Config, err, guarded, out
from edge.settings import Settings
from sync.certificates.page import money, number, page, verdict
from sync.certificates.record import LOST, Certificate, load, load_one, load_open, shown
from sync.heldback import worth

app = typer.Typer(
    no_args_is_help=True, help="What receivers hold against what was recorded: list, show, run, export."
)

Uplink = Annotated[str | None, typer.Option("--uplink", "-u", help="Of one receiver.", show_default=False)]
Number = Annotated[
    int | None,
    typer.Argument(
        min=1, max=NUMBER_MAX, help="A certificate's number; else the newest.", show_default=False
    ),
]

_VERDICTS = {
    "match": "[bold cyan]✓ match[/]",
    "waiting": "[bold yellow]! match, quarantine open[/]",
    "open": "[bold red]✕ no match[/]",
    "lost": "[bold red]✕ lost here[/]",
}
_ROWS = 20  # of differences and what is held back


@app.command("list")
@guarded
def list_(
    uplink: Uplink = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest.")] = 20,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the certificates, newest first, and what is not proven. Exit code 1 where something is not."""
    loaded = main.load(config)
    _known(loaded, uplink)
    path = loaded.edge.data_dir / main.STORE
    found, open_ = load(path, uplink, limit), load_open(path, uplink)
    waiting = len(main.quarantine(loaded.edge.data_dir, uplink))
    if as_json:
        said = {
            "certificates": [_row(one) for one in found],
            "open": [one.id for one in open_],
            "quarantine": waiting,
        }
        out.out(json.dumps(said, ensure_ascii=False))
    else:
        _list(loaded, found)
        _stand(open_, waiting)
    if open_ or waiting:
        raise typer.Exit(FAULT)


@app.command()
@guarded
def show(certificate: Number = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show a certificate: four figures side by side, what differs, what is held back and its worth."""
    loaded = main.load(config)
    one = _chosen(loaded, certificate)
    if as_json:
        out.out(json.dumps(shown(one), ensure_ascii=False))
    else:
        _show(loaded, one)
    if not one.match:
        raise typer.Exit(FAULT)


@app.command()
@guarded
def run(uplink: Uplink = None, config: Config = None, as_json: AsJson = False) -> None:
    """Compare now what was not compared yet or did not match; what is missing there is sent again."""
    loaded = main.load(config)
    _known(loaded, uplink)
    names = [name for name, one in loaded.uplinks.items() if one.kind == "http" and uplink in (None, name)]
    if not names:
        err.print("No receiver is compared from here: one that pulls compares by itself", markup=False)
        raise typer.Exit(USAGE)
    answers = {name: call_sync(loaded, "/api/v1/reconciliations", {"uplink": name}) for name in names}
    if as_json:
        out.out(json.dumps({name: answer for name, (_, answer) in answers.items()}, ensure_ascii=False))
    else:
        for name, (_, answer) in answers.items():
            _tell(name, answer)
    if any("match" not in answer for _, answer in answers.values()):
        raise typer.Exit(UNREACHABLE)
    if not all(answer["match"] for _, answer in answers.values()):
        raise typer.Exit(FAULT)


@app.command()
@guarded
def export(
    certificate: Number = None,
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="A file: .html for paper, .json.", show_default=False)
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write a certificate as a page for paper (HTML) or as JSON; without --to to standard output."""
    loaded = main.load(config)
    one = _chosen(loaded, certificate)
    if to is not None and to.suffix not in (".html", ".json"):
        err.print(f"{to} must end in .html or .json. Nothing was written", markup=False)
        raise typer.Exit(USAGE)
    if as_json or (to is not None and to.suffix == ".json"):
        text = json.dumps(shown(one), ensure_ascii=False, indent=1) + "\n"
    else:
        text = page(one, loaded.edge)
    if to is None:
        typer.echo(text, nl=False)
        return
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        err.print(f"{to} cannot be written: {error.strerror}. The certificate stays stored", markup=False)
        raise typer.Exit(FAULT) from error
    out.print(f"Certificate {one.id} is in {escape(str(to))}", highlight=False, soft_wrap=True)


def _known(loaded: Settings, uplink: str | None) -> None:
    if uplink is not None and uplink not in loaded.receivers:
        known = ", ".join(loaded.receivers) or "none is configured"
        err.print(f"There is no receiver {uplink!r}. Receivers: {known}", markup=False)
        raise typer.Exit(USAGE)


def _chosen(loaded: Settings, number_: int | None) -> Certificate:
    path = loaded.edge.data_dir / main.STORE
    one = load_one(path, number_) if number_ is not None else next(iter(load(path, limit=1)), None)
    if one is None:
        which = f"no certificate {number_}" if number_ is not None else "no certificate yet"
        err.print(f"There is {which}; `lineside reconcile list` names them", markup=False)
        raise typer.Exit(USAGE)
    return one


def _row(one: Certificate) -> dict[str, Any]:
    """A certificate in short, for machines."""
    counts = one.findings.counts
    return {
        "id": one.id, "uplink": one.uplink, "occasion": one.occasion, "at_ms": one.at_ms,
        "epoch": one.epoch, "from_seq": one.report.from_seq, "to_seq": one.report.to_seq,
        "verdict": verdict(one), "scanned": counts.scanned, "stored": counts.stored, "sent": counts.sent,
        "posted": one.posted, "missing": len(one.missing), "differences": len(one.differences),
    }  # fmt: skip


def _list(loaded: Settings, found: Sequence[Certificate]) -> None:
    if not found:
        out.print("Nothing was compared yet; `lineside reconcile run` does it now.")
        return
    table = Table()
    for column in ("no.", "when", "receiver", "occasion", "seq"):
        table.add_column(column)
    for column in ("scanned", "stored", "sent", "posted"):
        table.add_column(column, justify="right")
    table.add_column("result")
    for one in found:
        counts, span = one.findings.counts, f"{one.report.from_seq}-{one.report.to_seq}"
        what = (str(one.id), _local(loaded, one.at_ms), one.uplink, one.occasion or "-", span)
        figures = (counts.scanned, counts.stored, counts.sent, one.posted)
        table.add_row(*map(escape, (*what, *map(number, figures))), _VERDICTS[verdict(one)])
    out.print(table)


def _stand(open_: Sequence[Certificate], waiting: int) -> None:
    """What is not proven now."""
    if open_:
        numbers = ", ".join(str(one.id) for one in open_[-_ROWS:])
        out.print(f"[bold red]✕[/] Not proven: certificates {numbers}. `lineside reconcile show <no.>`")
    if waiting:
        out.print(
            f"[bold red]✕[/] {waiting:,} facts wait in quarantine; `lineside outbox list` names them",
            highlight=False,
        )


def _show(loaded: Settings, one: Certificate) -> None:
    report, found, counts = one.report, one.findings, one.findings.counts
    head = f"{one.id}  {_local(loaded, one.at_ms)}  {one.uplink}  {one.occasion or '-'}"
    out.print(_VERDICTS[verdict(one)], escape(head), highlight=False, soft_wrap=True)
    out.print(escape(f"{report.source}, seq {report.from_seq} to {report.to_seq}"), highlight=False)
    table = Table(title="Facts", title_justify="left")
    for column in ("scanned", "stored", "sent", "posted"):
        table.add_column(column, justify="right")
    table.add_row(*map(number, (counts.scanned, counts.stored, counts.sent, one.posted)))
    out.print(table)
    if counts.scanned is None:
        out.print("Scans of that time are not kept any more, or not yet (samples.db).")
    if one.occasion == LOST:
        out.print("The journal has lost these facts since. What the receiver holds of them is under 'there'.")
    if one.missing:
        listed = ", ".join(map(str, one.missing[:_ROWS])) + (" …" if len(one.missing) > _ROWS else "")
        out.print(f"Missing there: {len(one.missing):,} facts, seq {listed}", highlight=False)
    if one.differences:
        title = "What only the receiver holds" if one.occasion == LOST else "Figures that differ"
        differing = Table(title=title, title_justify="left")
        for column in ("what", "here", "there"):
            differing.add_column(column)
        for line in one.differences[:_ROWS]:
            differing.add_row(*map(escape, (line.what, line.here, line.there)))
        out.print(differing)
    if found.held_back:
        _show_held(one)


def _show_held(one: Certificate) -> None:
    table = Table(title="Held back", title_justify="left")
    for column in ("work order", "material", "what", "quantity", "value"):
        table.add_column(column)
    for line in one.findings.held_back[:_ROWS]:
        value = f"{money(line.value)} {line.currency or ''}" if line.value is not None else "-"
        quantity = f"{number(line.quantity)} {line.unit}"
        table.add_row(
            *map(escape, (line.work_order or "-", line.material or "-", line.kind, quantity, value))
        )
    out.print(table)
    for (what, currency), sum_ in worth(one.findings.held_back).items():
        out.print(escape(f"Held back, {what}: {money(sum_)} {currency}"), highlight=False)


def _tell(name: str, answer: dict[str, Any]) -> None:
    """What came of comparing with one receiver."""
    if "match" not in answer:
        out.print("[bold red]✕[/]", escape(f"{name}: {answer.get('detail') or answer}"), soft_wrap=True)
    elif not answer["offered"]:
        out.print("[bold red]✕[/]", escape(f"{name} does not offer to compare: nothing is proven"))
    else:
        sign = "[bold cyan]✓[/]" if answer["match"] else "[bold red]✕[/]"
        numbers = ", ".join(map(str, answer["certificates"]))
        said = f"certificates {numbers}" if numbers else "nothing new to compare"
        waits = f"; {answer['waiting']:,} facts wait in quarantine" if answer["waiting"] else ""
        out.print(sign, escape(f"{name}: {said}{waits}"), highlight=False, soft_wrap=True)


def _local(loaded: Settings, at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(loaded.edge.zone):%Y-%m-%d %H:%M}"
