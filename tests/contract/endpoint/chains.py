"""Journals for the tests: sealed events in a row, as the sender makes them."""

import json
from decimal import Decimal
from typing import Any

from edge.events import (
    Draft,
    Event,
    Fact,
    Labour,
    MaterialConsumed,
    Output,
    Resources,
    WorkCompleted,
    WorkCorrected,
    WorkReported,
    chain_of,
    instant,
    seal,
)

SOURCE = "urn:lineside:suzhou:L3-IPC1:0123456789abcdef"
ORDER = "10045678"
START_MS = 1_795_334_400_000  # 2026-11-22T08:00:00Z
JOB: dict[str, Any] = {
    "station": "OP20",
    "work_center": "WC-PRESS-1",
    "operators": ("1042",),
    "work_order": ORDER,
    "operation": "0020",
    "posting_date": "2026-11-22",
    "utc_offset": "+08:00",
}


class Journal:
    """A sender's journal: gapless, chained. `wire[seq - 1]` is an event's stored form."""

    def __init__(self, source: str = SOURCE) -> None:
        self.source = source
        self.events: list[Event] = []
        self.wire: list[bytes] = []

    def add(self, fact: Fact, id_: str = "") -> str:
        """Append a fact; its id."""
        seq = len(self.wire) + 1
        previous = chain_of(self.wire[-1]) if self.wire else ""
        at = START_MS + seq * 1000
        draft = Draft(id=id_ or f"{self.source[-4:]}-{seq:06d}", time_ms=at, data=fact)
        event, body = seal(draft, self.source, seq, instant(at), previous)
        self.events.append(event)
        self.wire.append(body)
        return event.id

    def decoded(self, seq: int) -> dict[str, Any]:
        """An event as its receiver reads it."""
        event: dict[str, Any] = json.loads(self.wire[seq - 1])
        return event


def batch(*bodies: bytes) -> bytes:
    """Stored forms as the body of a call."""
    return b"[" + b",".join(bodies) + b"]"


def output(quantity: str, disposition: Any = "good", **more: Any) -> Output:
    """Some of the main product."""
    return Output(
        material="BRACKET-7",
        role="main",
        disposition=disposition,
        quantity=Decimal(quantity),
        unit="C62",
        **more,
    )


def report(*outputs: Output, **more: Any) -> WorkReported:
    """Output, with resources where `resources` says so."""
    return WorkReported(outputs=outputs, **{**JOB, **more})


def consumed(quantity: str, lot: str | None = "A2207", **more: Any) -> MaterialConsumed:
    """Steel from a lot."""
    fields = {
        "material": "STEEL-4",
        "unit": "KGM",
        "method": "scanned",
        "use": "production",
        "posted_by": "edge",
    }
    return MaterialConsumed(quantity=Decimal(quantity), lot=lot, **{**JOB, **fields, **more})


def corrected(event_id: str, **more: Any) -> WorkCorrected:
    """A correction by the shift leader."""
    return WorkCorrected(corrects=event_id, reason="incorrect_data", person="2001", **{**JOB, **more})


def spent(machine_s: str = "40", labour_s: str = "50", **more: Any) -> Resources:
    """Resources of a report."""
    return Resources(
        setup_s=Decimal("6"),
        machine_s=Decimal(machine_s),
        labour=(Labour(operator="1042", phase="run", s=Decimal(labour_s)),),
        energy_kwh=Decimal("0.25"),
        basis={
            "machine_s": "measured",
            "setup_s": "confirmed",
            "labour": "confirmed",
            "energy_kwh": "measured",
        },
        **more,
    )


def whole_order() -> Journal:
    """An order from its first lot to its completion, with scrap, a return and a corrected report."""
    journal = Journal()
    journal.add(consumed("30"))
    journal.add(consumed("120", lot="N8841", material="NUT-M6", unit="C62"))
    journal.add(report(output("2", "scrap", reason="04", cause="process")))
    wrong = journal.add(report(output("35"), resources=spent()))
    journal.add(corrected(wrong))
    journal.add(report(output("30"), resources=spent(), replaces=wrong))
    journal.add(consumed("-0.5", use="return"))
    journal.add(WorkCompleted(outputs=(output("30"),), resources=spent("20", "22"), final=True, **JOB))
    return journal
