"""Reasons of scrap, rework and pauses, as the ERP knows them."""

from edge.station.texts import Text, named
from edge.station.work import Refused, Work


def check_reason(work: Work, kind: str, reason: str) -> None:
    """Refuse a reason that the ERP does not know; any passes while none was received."""
    if work.master.document.reasons is None or (kind, reason) in work.master.reasons:
        return
    allowed = ", ".join(code for known, code in work.master.reasons if known == kind)
    raise Refused("reason_unknown", reason=reason, allowed=allowed or "-")


def reason_text(work: Work, kind: str, reason: str) -> Text:
    """A reason as people know it: code and text."""
    known = work.master.reasons.get((kind, reason))
    return named(reason, known.text if known else {})
