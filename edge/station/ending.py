"""How what waits at a station ends without being posted: after 60 s, or because another scan came.

Either way it is said what was not recorded.
"""

from edge.station.pending import (
    Pending,
    PendingCheck,
    PendingDefect,
    PendingLot,
    PendingMaterial,
    PendingPause,
    PendingReport,
    PendingRestart,
    PendingShift,
    PendingSide,
    PendingSignOff,
    PendingStart,
    PendingUndo,
    PendingVerdict,
)
from edge.station.texts import Text, disposition, say
from edge.station.work import PENDING_MS, Answer, Work, number


def expired(work: Work) -> Answer | None:
    """End a pending entry that waited for 60 s; what is to be said of it."""
    live = work.live
    if live.pending is None or live.until is None or work.now.since(live.until) < PENDING_MS:
        return None
    answer = Answer("refused", say("expired", what=_waiting(live.pending)))
    work.end_wait()
    return answer


def without(work: Work, pending: Pending | None, message: Text) -> Text:
    """Say what ended because this scan came instead of the one it waited for."""
    if pending is None or _same(pending, work.live.pending):
        return message
    if work.live.pending is pending:
        work.end_wait()
    return message + say("dropped", what=_waiting(pending))


def _same(before: Pending, after: Pending | None) -> bool:
    """Whether the same entry was begun again."""
    if isinstance(before, PendingReport) and isinstance(after, PendingReport):
        again = (before.kind, before.switch_to, before.output) == (after.kind, after.switch_to, after.output)
        return before is not after and again
    return (
        before is not after
        and type(before) is type(after)
        and not isinstance(before, PendingLot | PendingMaterial)
    )


def _waiting(pending: Pending) -> Text:
    """What waits, as a person reads it."""
    match pending:
        case PendingLot(lot=lot):
            return say("wait_lot", lot=lot)
        case PendingMaterial(command=command):
            return say(f"wait_{command.lower()}")
        case PendingSide(material=material):
            return say("wait_side", material=material)
        case PendingReport(switch_to=(order, _)):
            return say("wait_switch", order=order)
        case PendingReport():
            return say("wait_report")
        case PendingDefect():
            kind = disposition(pending.disposition)
            return say("wait_defect", disposition=kind, quantity=number(pending.quantity))
        case PendingStart(key=(order, _)) | PendingRestart(key=(order, _)):
            return say("wait_start", order=order)
        case PendingVerdict(to=to, quantity=quantity):
            return say("wait_defect", disposition=disposition(to), quantity=number(quantity))
        case PendingPause():
            return say("wait_pause")
        case PendingCheck():
            return say("wait_check")
        case PendingUndo():
            return say("wait_undo")
        case PendingSignOff():
            return say("wait_sign_off")
        case PendingShift():
            return say("wait_shift")
    return say("wait_setup")
