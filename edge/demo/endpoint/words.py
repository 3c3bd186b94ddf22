"""How figures and terms read on the pages: English with the Chinese term beside it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from markupsafe import Markup

from edge.costing import Amount

_CENT = Decimal("0.01")
_UNITS = {
    "C62": "pcs",
    "KGM": "kg",
    "LBR": "lb",
    "TNE": "t",
    "MTQ": "m³",
    "KWH": "kWh",
    "SEC": "s",
    "HUR": "h",
}
TERMS = {
    "material": "Material 材料",
    "labour": "Labour 人工",
    "machine": "Machine 机器",
    "energy": "Energy 能耗",
    "other": "Other activities 其他作业",
    "good": "Good 良品",
    "concession": "Concession 让步接收",
    "rework": "Rework 返工",
    "scrap": "Scrap 报废",
    "setup": "Set-up 换型",
    "run": "Run 运行",
    "production": "Production 生产",
    "extra": "Extra 超耗",
    "measured": "measured 实测",
    "confirmed": "confirmed 确认",
    "standard": "standard 标准",
    "released": "Released 已下达",
    "in_work": "In work 生产中",
    "completed": "Completed 已完工",
    "unknown": "Unknown 未知",
    "closed": "Closed 已关闭",
    "held": "Held 暂停",
    "work.reported": "Report 报工",
    "work.completed": "Completion 完工",
    "material.consumed": "Consumption 领料",
    "output.reclassified": "Reclassification 改判",
    "work.corrected": "Correction 冲销",
    "order": "Work order unknown 工单未知",
    "setup_time": "No set-up time 缺换型时间",
    "machine_time": "No machine time 缺机时",
    "labour_time": "No labour time 缺工时",
    "energy_gap": "No energy figure 缺能耗",
    "consumption": "Not consumed 缺领料",
    "lot": "No lot 缺批次",
    "price": "No price 缺价格",
    "rate": "No rate 缺费率",
    "unit": "Unit 单位无法换算",
    "standard_gap": "No standard 缺标准",
    "posted_by_erp": "Posted by the ERP 由ERP过账",
}


def number(value: Decimal | None) -> str:
    """A quantity without trailing zeros."""
    if value is None:
        return "unknown 未知"
    text = format(value, ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(value: Decimal | None) -> str:
    """A price or rate as it is, with two places at least."""
    text = number(value)
    whole, _, places = text.partition(".")
    return text if value is None or len(places) > 1 else f"{whole}.{places:0<2}"


def money(value: Amount | Decimal | None, places: int = 2) -> str:
    """Rounded for display, half up; "≥" where something is unknown."""
    if value is None:
        return "unknown 未知"
    amount = value.value if isinstance(value, Amount) else value
    rounded = amount.quantize(_CENT.scaleb(2 - places), ROUND_HALF_UP)
    sign = "≥ " if isinstance(value, Amount) and value.at_least else ""
    return f"{sign}{abs(rounded) if rounded == 0 else rounded:,f}"


def variance(value: Decimal | None) -> str:
    """Rounded, with its sign; + is unfavourable."""
    if value is None:
        return "–"
    text = money(value)
    return f"+{text}" if Decimal(text.replace(",", "")) > 0 else text


def duration(value: Decimal) -> str:
    """Seconds as hours, minutes and seconds."""
    minutes, rest = divmod(abs(value), 60)
    hours, minutes = divmod(minutes, 60)
    shown = f"{number(round(rest, 1))} s"
    if hours or minutes:
        shown = f"{int(minutes)} min {shown}"
    return ("−" if value < 0 else "") + (f"{int(hours)} h {shown}" if hours else shown)


def unit(code: str | None) -> str:
    """A unit of UN/ECE Rec 20 as people write it."""
    return _UNITS.get(code or "", code or "")


def term(name: str | None) -> str:
    """A word of the contract in both languages."""
    return TERMS.get(name or "", name or "")


def head(text: str) -> Markup:
    """A table's head: the Chinese term on a line of its own."""
    at = next((place for place, sign in enumerate(text) if sign > "\u2e7f"), len(text))
    return Markup('{}<br><span lang="zh-CN">{}</span>').format(text[:at].strip(), text[at:])


def clock(text: str) -> str:
    """An RFC 3339 instant to the second, UTC."""
    return text[:19].replace("T", " ")


def at_ms(value_ms: int) -> str:
    """UTC milliseconds, to the second."""
    return clock(datetime.fromtimestamp(value_ms / 1000, UTC).isoformat())


def detail(problem: str) -> str:
    """What a stored problem says."""
    held: dict[str, Any] = json.loads(problem)
    return f"{held['title']}: {held['detail']}"


FILTERS: dict[str, Callable[..., str]] = {
    "number": number,
    "price": price,
    "money": money,
    "variance": variance,
    "duration": duration,
    "unit": unit,
    "term": term,
    "head": head,
    "clock": clock,
    "at_ms": at_ms,
    "detail": detail,
}
