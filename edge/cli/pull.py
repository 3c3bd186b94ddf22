"""`lineside pull`: a consumer as an ERP would have one, from a broker into a database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.common import FAULT, err, guarded, out
from edge.faults import StorageFault, UplinkFault
from edge.settings import Exposure, is_loopback
from sync.secret import secret

if TYPE_CHECKING:
    from edge.pulling.comparing import Compared


@guarded
def pull(
    host: Annotated[str, typer.Option(help="The broker.")],
    topic: Annotated[
        str, typer.Option(help="The edge's topic: lineside/v1/<enterprise>/<site>/<area>/<line>/<edge id>.")
    ],
    consumer: Annotated[str, typer.Option(help="A name from `consumers` of the uplink.")],
    database: Annotated[str, typer.Option(help="An SQLAlchemy URL, for example sqlite:///facts.db.")],
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Else 8883, without TLS 1883.", show_default=False),
    ] = None,
    user: Annotated[str | None, typer.Option(help="User at the broker.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password alone.", exists=True, dir_okay=False)
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="PEM; else the system's authorities.", exists=True, dir_okay=False)
    ] = None,
    tls: Annotated[bool, typer.Option(help="Without TLS everything can be read on the way.")] = True,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Events a page.")] = 500,
    again_s: Annotated[
        float, typer.Option("--again-s", min=0.1, help="Seconds without an answer after which to ask again.")
    ] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="End when there is no more.")] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Pull all, compare with lineside, pull what is lacking; exit 1 if it differs then, or if"
            " nothing could be compared.",
        ),
    ] = False,
) -> None:
    """Pull facts over MQTT into a database, each exactly once: the ERP's half, as an example to run."""
    try:
        from edge.pulling.asking import Asking
        from edge.pulling.comparing import compare as compared
        from edge.pulling.follow import begins_behind, follow
        from edge.pulling.ledger import Ledger
        from edge.pulling.line import Address
    except ImportError as error:
        raise StorageFault(
            "`lineside pull` needs SQLAlchemy",
            hint="Install it beside lineside: pip install 'lineside[pull]'",
        ) from error
    password = secret(str(password_file), ascii_only=False) if password_file else None
    address = Address(
        host, port or (8883 if tls else 1883), topic.rstrip("/"), consumer, user, password,
        str(ca_file) if ca_file else None, tls,
    )  # fmt: skip
    if not tls and not is_loopback(host):
        secrets = ("user and password",) if user else ()
        hint = "Leave --no-tls out (a private authority's certificate: --ca-file)"
        exposure = Exposure(f"! {host} is spoken to without TLS", (*secrets, "every fact"), hint)
        err.print(f"{exposure.text}. {hint}", markup=False, soft_wrap=True)
    ledger = Ledger(database, consumer)
    with Asking(address, again_s, patient=None if once or compare else _silent) as asking:
        if (at := begins_behind(asking, ledger)) is not None:
            err.print(_EMPTY.format(consumer=consumer, at=at), markup=False, highlight=False, soft_wrap=True)
        follow(asking, ledger, limit, once or compare, _told)
        if compare:
            _concluded(compared(asking, ledger, limit, _left_out))


def _concluded(found: "Compared") -> None:
    """Say what came of comparing; exit code 1 where the two sides still differ, or nothing was compared."""
    if found.fetched:
        were = "fact was" if found.fetched == 1 else "facts were"
        out.print(f"{found.fetched} {were} lacking and are here now", highlight=False)
    for one in found.differing:
        out.print(f"differs: {one}", highlight=False, soft_wrap=True)
    nothing = found.left_out > 0 and not found.ranges
    if nothing:
        out.print(_NOTHING, highlight=False, soft_wrap=True)
    if found.differing or nothing:
        raise typer.Exit(FAULT)
    kept = "of what lineside keeps, it and this database agree"
    out.print(kept if found.left_out else "this database and lineside agree", highlight=False)


def _silent(fault: UplinkFault) -> None:
    err.print(f"Asking goes on: {fault}", markup=False, highlight=False, soft_wrap=True)


def _left_out(what: str) -> None:
    out.print(f"! {what}", markup=False, highlight=False, soft_wrap=True)


def _told(new: int, through: str) -> None:
    out.print(f"{new} new {'fact' if new == 1 else 'facts'}, through {through}", highlight=False)


_NOTHING = (
    "nothing was compared: lineside keeps nothing of what is in this database. Is --database the one of this"
    " line, --host and --topic those of this edge?"
)
_EMPTY = (
    "! This database is empty, while {consumer!r} has settled through {at}: what comes begins behind that. To"
    " get what is before it too: --compare, which pulls what is lacking of the journal that goes on, as far"
    " as it is kept; `lineside events export` gives what is of earlier ones"
)
