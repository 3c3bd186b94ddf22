"""A certificate as a page for paper: one HTML file without anything from elsewhere, A4, in both languages.

Everything on it comes from the certificate alone, so that it prints the same in ten years.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2

from edge import __version__
from edge.settings import Edge
from sync.certificates.record import ASKED, FORGOTTEN, LOST, Certificate
from sync.heldback import Held, worth

_TEMPLATE = Path(__file__).parent / "certificate.html"
_MISSING_SHOWN = 200
_CENT = Decimal("0.01")
_KINDS = {
    "good": "good 良品",
    "concession": "concession 让步接收",
    "rework": "rework 返工",
    "scrap": "scrap 报废",
    "scanned": "scanned 扫码领料",
    "backflushed": "backflushed 倒冲",
    "metered": "metered 计量",
    "manual": "by hand 手工",
    "setup_s": "set-up time 换型时间",
    "machine_s": "machine time 机时",
    "labour_s": "labour 人工",
    "energy_kwh": "energy 能耗",
}
_UNITS = {"C62": "pcs", "KGM": "kg", "GRM": "g", "MTR": "m", "LTR": "l", "SEC": "s", "KWH": "kWh"}
_OCCASIONS = {
    "shift": "Shift 班次",
    "day": "Posting date 过账日期",
    ASKED: "On request 人工发起",
    LOST: "Lost here 本端丢失",
    FORGOTTEN: "Never delivered 从未发送",
}
_WORTH = {"consumed": "material consumed 已耗材料", "made": "output 产出"}


def page(certificate: Certificate, edge: Edge) -> str:
    """The HTML of a certificate."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "money": money, "kind": _kind, "unit": _unit}
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    found = certificate.findings
    return template.render(
        one=certificate,
        edge=edge,
        version=__version__,
        occasion=occasion(certificate),
        made=_local(certificate.at_ms, edge.zone),
        began=_local(found.from_ms, edge.zone) if found.from_ms else "–",
        ended=_local(found.to_ms, edge.zone) if found.to_ms else "–",
        verdict=verdict(certificate),
        held_back=_summed(found.held_back),
        written_off=_summed(found.written_off),
        decided=[_local(one.at_ms, edge.zone) for one in found.discarded],
        missing=", ".join(map(str, found.missing[:_MISSING_SHOWN])),
        more=max(0, len(found.missing) - _MISSING_SHOWN),
    )


def verdict(certificate: Certificate) -> str:
    """`match`; `waiting`: this range matches, but facts wait in quarantine; `lost`: the journal has lost it
    since, only the receiver may hold it; else `open`.
    """
    if certificate.occasion == LOST:
        return "lost"
    if not certificate.match:
        return "open"
    return "waiting" if certificate.findings.waiting else "match"


def occasion(certificate: Certificate) -> str:
    """What the range ended with, as a person reads it."""
    kind, _, name = certificate.occasion.partition(" ")
    return f"{_OCCASIONS.get(kind, certificate.occasion or '–')} {name}".rstrip()


def number(value: Decimal | int | None) -> str:
    """With separators, without trailing zeros."""
    if value is None:
        return "–"
    text = format(value, ",f" if isinstance(value, Decimal) else ",d")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: Decimal) -> str:
    """With separators, to the cent, halves away from nought."""
    return format(value.quantize(_CENT, ROUND_HALF_UP), ",f")


def unpriced(held: Iterable[Held]) -> int:
    """How many figures of material have no known price."""
    return sum(line.value is None and line.material is not None for line in held)


def _summed(held: Sequence[Held]) -> tuple[Sequence[Held], list[tuple[str, str, str]], int]:
    """The figures; what they are worth together; how many of them have no price."""
    sums = [(_WORTH[what], currency, money(value)) for (what, currency), value in worth(held).items()]
    return held, sums, unpriced(held)


def _kind(name: str) -> str:
    return _KINDS.get(name, name)


def _unit(code: str) -> str:
    return _UNITS.get(code, code)


def _local(at_ms: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}"
