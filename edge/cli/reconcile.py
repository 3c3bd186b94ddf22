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
from edge.cli.deciding import SHORT
from edge.settings import Settings
from sync.certificates.page import money, number, page, unpriced, verdict
from sync.certificates.record import LOST, Certificate, load, load_one, load_open, shown
from sync.heldback import Held, worth

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
_BY_ITSELF = (
    "a receiver that pulls over MQTT compares by itself, when it sends `reconcile/<consumer>`"
    " (`lineside pull --compare` does)."
)
_DISCARDED = "[bold yellow]! agrees but for {:,} discarded[/]"
_ROWS = 20  # of differences, what is held back, what is discarded
_WIDE = 120  # columns of a terminal that holds all figures of a certificate in one line
_DAY = 10  # characters: 2026-11-23


@app.command("list")
@guarded
def list_(
    uplink: Uplink = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest.")] = 20,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the certificates, newest first, and what is not proven. Exit code 1 where something is not.

    A receiver that is configured no more counts only where --uplink names it.
    """
    loaded = main.load(config)
    path = loaded.edge.data_dir / main.STORE
    found, standing = load(path, uplink, limit), load_open(path, uplink)
    if not found:
        _known(loaded, uplink)
    here = loaded.receivers if uplink is None else (uplink,)
    open_ = [one for one in standing if one.uplink in here]
    gone = [one for one in standing if one.uplink not in here]
    waiting = sum(one.uplink in here for one in main.quarantine(loaded.edge.data_dir, uplink))
    if as_json:
        said = {
            "certificates": [_row(one) | {"configured": one.uplink in loaded.receivers} for one in found],
            "open": [one.id for one in open_],
            "quarantine": waiting,
            "removed": [one.id for one in gone],
        }
        out.out(json.dumps(said, ensure_ascii=False))
    else:
        _list(loaded, found, uplink)
        _stand(open_, waiting, gone)
    if open_ or waiting:
        raise typer.Exit(FAULT)


@app.command()
@guarded
def show(certificate: Number = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show a certificate: four figures side by side, what differs, what is held back and its worth.

    Exit code 1 where its range does not match; of other ranges, and of what waits, `reconcile list` tells.
    """
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
    names = _asked(loaded, uplink)
    if not names:
        err.print(f"Nothing was compared from here: {_BY_ITSELF}", markup=False)
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
    if uplink is None or uplink in loaded.receivers:
        return
    known = ", ".join(loaded.receivers) or "none is configured"
    said = f"There is no receiver {uplink!r}. Receivers: {known}"
    if load(loaded.edge.data_dir / main.STORE, uplink, limit=1):
        how = f"`lineside reconcile list -u {uplink}` names its certificates"
        said = f"{uplink!r} is configured no more and cannot be compared: {how}. Receivers: {known}"
    err.print(said, markup=False)
    raise typer.Exit(USAGE)


def _asked(loaded: Settings, uplink: str | None) -> list[str]:
    """The receivers that are asked from here; one that pulls over MQTT asks by itself."""
    return [name for name, one in loaded.uplinks.items() if one.kind == "http" and uplink in (None, name)]


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
        "unposted": one.unposted, "discarded": counts.discarded,
    }  # fmt: skip


def _list(loaded: Settings, found: Sequence[Certificate], uplink: str | None) -> None:
    if not found:
        how = "`lineside reconcile run` does it now." if _asked(loaded, uplink) else _BY_ITSELF
        out.print(f"Nothing was compared yet; {how}", soft_wrap=True)
        return
    wide = out.width >= _WIDE
    table = Table(title=f"Times in {loaded.edge.timezone}", title_justify="left")
    table.add_column("no.", no_wrap=True)
    table.add_column("when", min_width=_DAY)
    for column in ("receiver", "occasion", *(("seq",) if wide else ())):
        table.add_column(column, min_width=_DAY, overflow="fold")
    for column in ("scanned", "stored", "sent", "posted") if wide else ("stored", "posted"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("result", min_width=_DAY)
    for one in found:
        counts, span = one.findings.counts, f"{one.report.from_seq} to {one.report.to_seq}"
        when, who = _local(loaded, one.at_ms), _receiver(loaded, one)
        what = (
            str(one.id),
            when,
            who,
            one.occasion or ("-" if wide else f"seq {span}"),
            *((span,) if wide else ()),
        )
        all_ = (counts.scanned, counts.stored, counts.sent, one.posted)
        figures = all_ if wide else (counts.stored, one.posted)
        table.add_row(*map(escape, (*what, *map(number, figures))), _result(one))
    out.print(table)


def _result(one: Certificate) -> str:
    if one.only_discarded:
        return _DISCARDED.format(one.findings.counts.discarded)
    return _VERDICTS[verdict(one)]


def _stand(open_: Sequence[Certificate], waiting: int, gone: Sequence[Certificate]) -> None:
    """What is not proven now; `gone`: of receivers that are configured no more."""
    if open_:
        numbers = ", ".join(str(one.id) for one in open_[-_ROWS:])
        out.print(f"[bold red]✕[/] Not proven: certificates {numbers}. `lineside reconcile show <no.>`")
    if waiting:
        out.print(
            f"[bold red]✕[/] {waiting:,} facts wait in quarantine; `lineside outbox list` names them",
            highlight=False,
        )
    if gone:
        names = ", ".join(dict.fromkeys(one.uplink for one in gone))
        numbers = ", ".join(str(one.id) for one in gone[-_ROWS:])
        out.print(
            "[bold yellow]![/]",
            escape(f"Of receivers that are configured no more ({names}), and never proven: {numbers}"),
            highlight=False,
            soft_wrap=True,
        )


def _receiver(loaded: Settings, one: Certificate) -> str:
    return one.uplink if one.uplink in loaded.receivers else f"{one.uplink} (configured no more)"


def _show(loaded: Settings, one: Certificate) -> None:
    report, found, counts = one.report, one.findings, one.findings.counts
    when, who = f"{_local(loaded, one.at_ms)} {loaded.edge.timezone}", _receiver(loaded, one)
    head = f"{one.id}  {when}  {who}  {one.occasion or '-'}"
    out.print(_result(one), escape(head), highlight=False, soft_wrap=True)
    out.print(escape(f"{report.source}, seq {report.from_seq} to {report.to_seq}"), highlight=False)
    table = Table(title="Facts", title_justify="left")
    for column in ("scanned", "stored", "sent", "posted"):
        table.add_column(column, justify="right")
    table.add_row(*map(number, (counts.scanned, counts.stored, counts.sent, one.posted)))
    out.print(table)
    if counts.scanned is None:
        out.print("Scans of that time are not kept any more, or not yet (samples.db).")
    if one.unposted or one.surplus:
        out.print(escape(_lacking(one)), highlight=False, soft_wrap=True)
    if one.occasion == LOST:
        out.print("The journal has lost these facts since. What the receiver holds of them is under 'there'.")
    if one.missing:
        said = f"Missing there: {len(one.missing):,} facts, seq {_listed(one.missing, len(one.missing))}"
        out.print(said, highlight=False, soft_wrap=True)
    if one.differences:
        title = "What only the receiver holds" if one.occasion == LOST else "Figures that differ"
        differing = Table(title=title, title_justify="left")
        for column in ("what", "here", "there"):
            differing.add_column(column)
        for line in one.differences[:_ROWS]:
            differing.add_row(*map(escape, (line.what, line.here, line.there)))
        out.print(differing)
    if count := one.undecided_count:
        said = f"seq {_listed(one.undecided, count)}" if one.undecided else f"{count:,} facts"
        out.print(f"Not posted, undecided: {said}", highlight=False, soft_wrap=True)
    if found.held_back:
        _show_held("Held back", found.held_back)
    if counts.discarded:
        _show_discarded(loaded, one)
        _show_held("Discarded", found.written_off)


def _lacking(one: Certificate) -> str:
    """How far the receiver's word is from what is stored."""
    said = f"{one.unposted:,} not posted"
    if one.unnamed:
        said += f", {one.unnamed:,} of them the receiver does not name: nobody can say what they are worth"
    return said + (f"; {one.surplus:,} more there than here" if one.surplus else "")


def _listed(seqs: Sequence[int], count: int) -> str:
    """The first of so many."""
    shown = seqs[:_ROWS]
    return ", ".join(map(str, shown)) + (" …" if count > len(shown) else "")


def _show_discarded(loaded: Settings, one: Certificate) -> None:
    found, count = one.findings.discarded, one.findings.counts.discarded
    table = Table(title="Discarded by decision", title_justify="left")
    for column in ("seq", "fact", "order", "by", "when", "why"):
        table.add_column(column, overflow="fold", min_width=17 if column == "fact" else None)
    for line in found[:_ROWS]:
        order, note, at = line.work_order or "-", line.note or "-", _local(loaded, line.at_ms)
        fact = f"{line.what} {line.id[-SHORT:]}"
        table.add_row(*map(escape, (str(line.seq), fact, order, line.person or "-", at, note)))
    out.print(table)
    if count > _ROWS:
        out.print(f"… {count - min(_ROWS, len(found)):,} more; `lineside reconcile export` names them")


def _show_held(title: str, held: Sequence[Held]) -> None:
    table = Table(title=f"{title}, what it is worth", title_justify="left")
    for column in ("work order", "material", "what", "quantity", "value"):
        table.add_column(column)
    for line in held[:_ROWS]:
        value = f"{money(line.value)} {line.currency or ''}" if line.value is not None else "-"
        quantity = f"{number(line.quantity)} {line.unit}"
        table.add_row(
            *map(escape, (line.work_order or "-", line.material or "-", line.kind, quantity, value))
        )
    if held:
        out.print(table)
    for (what, currency), sum_ in worth(held).items():
        out.print(escape(f"{title}, {what}: {money(sum_)} {currency}"), highlight=False)
    if without := unpriced(held):
        out.print(f"{title}, without a known price and not in it: {without:,}", highlight=False)


def _tell(name: str, answer: dict[str, Any]) -> None:
    """What came of comparing with one receiver."""
    if "match" not in answer:
        why = str(answer.get("detail") or answer).removeprefix(f"{name}: ")
        out.print("[bold red]✕[/]", escape(f"{name}: {why}"), highlight=False, soft_wrap=True)
    elif not answer["offered"]:
        out.print("[bold red]✕[/]", escape(f"{name} does not offer to compare: nothing is proven"))
    else:
        numbers = ", ".join(map(str, answer["certificates"]))
        said = [f"certificates {numbers}" if numbers else "nothing new to compare"]
        if discarded := answer.get("discarded"):
            said.append(f"{discarded:,} discarded by decision")
        if answer["waiting"]:
            said.append(f"{answer['waiting']:,} facts wait in quarantine")
        if unproven := answer.get("unproven"):
            said.append(f"{unproven:,} not proven, `lineside reconcile list` names them")
        good = "[bold yellow]![/]" if discarded else "[bold cyan]✓[/]"
        sign = good if answer["match"] else "[bold red]✕[/]"
        out.print(sign, escape(f"{name}: {'; '.join(said)}"), highlight=False, soft_wrap=True)


def _local(loaded: Settings, at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(loaded.edge.zone):%Y-%m-%d %H:%M}"
