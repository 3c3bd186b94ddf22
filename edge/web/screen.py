"""One station's screen as JSON: the collector's view, and beside it what no station knows.

That is: how delivery stands, whether the journal can be written, which of the station's devices are lost,
the reasons to choose from, what people are reminded of, and which life of the collector speaks (`instance`).
"""

from typing import Any

import msgspec

from edge.collector import Collector
from edge.delivering import ABSENT
from edge.masterdata import MasterData
from edge.settings import Station
from edge.station.texts import say
from edge.web.delivery import Delivery, summary

CHOSEN = ("scrap", "pause")  # kinds of reasons that a page offers


def screen(collector: Collector, station: str, delivery: Delivery, instance: str) -> dict[str, Any]:
    """What the page of a station shows. Raises KeyError."""
    view = collector.view(station)
    fault = collector.storage_fault
    said = collector.lives[station].said
    shown: dict[str, Any] = msgspec.to_builtins(view)
    return shown | {
        "instance": instance,
        "said_ms": said.at.wall_ms if said else None,
        "storage": {"message": fault.message, "hint": fault.hint, "text": say("storage")} if fault else None,
        "devices": _lost(collector, station),
        "reminders": msgspec.to_builtins(collector.reminders(station)),
        "delivery": {
            **msgspec.structs.asdict(delivery),
            "summary": summary(delivery, ABSENT in collector.alerts.standing),
        },
        "reasons": _reasons(collector.master),
    }


def _lost(collector: Collector, station: str) -> list[dict[str, str]]:
    """The station's devices that do not answer."""
    return [
        {"device": link.device, "detail": link.detail, "hint": link.hint}
        for name in sorted(_devices(collector.site.stations[station]))
        if (link := collector.links.get(name)) is not None and not link.up
    ]


def _devices(station: Station) -> set[str]:
    return {*station.scanners, *(tag.partition(".")[0] for tag in station.tags.values())}


def _reasons(master: MasterData) -> dict[str, list[dict[str, str]]]:
    """Reasons by kind, each with its text in both languages, as far as the ERP gives them."""
    found: dict[str, list[dict[str, str]]] = {kind: [] for kind in CHOSEN}
    for (kind, code), reason in sorted(master.reasons.items()):
        if kind in found:
            en, zh = reason.text.get("en", ""), reason.text.get("zh-CN", "")
            found[kind].append({"reason": code, "en": en or zh, "zh": zh or en})
    return found
