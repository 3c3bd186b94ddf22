"""What a scan means, read beside what waits at the station, and where it is done."""

from msgspec.structs import replace

from edge.station import automatic
from edge.station.ending import without
from edge.station.grammar import (
    NOTHING,
    Amount,
    Badge,
    Command,
    Contradiction,
    CoProduct,
    Kit,
    Label,
    Lot,
    Malformed,
    Order,
    OutputLot,
    Unclear,
    Unrecognised,
    Word,
)
from edge.station.pending import (
    Pending,
    PendingCheck,
    PendingDefect,
    PendingLot,
    PendingMaterial,
    PendingPause,
    PendingReport,
    PendingRestart,
    PendingSetup,
    PendingShift,
    PendingSide,
    PendingSignOff,
    PendingStart,
    PendingUndo,
    PendingVerdict,
)
from edge.station.scans import (
    defects,
    handling,
    labels,
    materials,
    orders,
    outputs,
    people,
    reports,
    tools,
    undo,
    verdicts,
)
from edge.station.texts import Text, meanings
from edge.station.work import PENDING_MS, Refused, Work


def meant(work: Work, word: Word) -> Text:
    """Do what the scan means. What another scan leaves waiting ends, and the message says so."""
    pending = work.live.pending
    amend, at_hand = work.live.amend, work.live.at_hand
    work.live = replace(work.live, amend=None, at_hand=None)
    if not work.station.crew and not isinstance(word, (Badge, *NOTHING)):
        raise Refused("no_operator")
    if isinstance(word, Label):
        word = handling.named(word, pending) or labels.meant(work, word)
    match word:
        case Unrecognised() | Malformed() | Unclear() | Contradiction():
            raise _no_word(word)
        case OutputLot():
            message = outputs.identify(work, word)
        case CoProduct():
            message = outputs.co_product(work, word)
        case Amount():
            return _amount(work, word, pending, amend)
        case Command("OK"):
            return _ok(work, pending)
        case Badge() if isinstance(pending, PendingVerdict) and pending.to == "concession":
            message = verdicts.grant(work, pending, word)
        case Badge():
            message = people.badge(work, word)
        case Order():
            message = orders.order(work, word)
        case Lot() if isinstance(pending, PendingMaterial):
            return handling.lot(work, pending, word)
        case Lot():
            message = materials.lot(work, word)
        case Kit():
            message = handling.kit(work, word)
        case Command(name, reason):
            message = _command(work, name, reason or "", at_hand)
    if not _answers(word, pending):
        return without(work, pending, message)
    if work.live.pending is pending:
        work.end_wait()
    return message


def _answers(word: Word, pending: Pending | None) -> bool:
    """Whether a scan is what the entry waited for, or the same done by hand."""
    match pending:
        case PendingSignOff() | PendingShift() | PendingVerdict(to="concession"):
            return isinstance(word, Badge)
        case PendingStart():
            return isinstance(word, Order)
        case PendingPause():
            return isinstance(word, Command) and word.name == "PAUSE"
    return False


def _no_word(word: Unrecognised | Malformed | Unclear | Contradiction) -> Refused:
    match word:
        case Malformed(text, expects):
            return Refused("malformed", text=text, expects=expects)
        case Unclear(text, doubt):
            return Refused("ambiguous") if doubt == "ambiguous" else Refused("code_malformed", text=text)
        case Contradiction(text, rules):
            return Refused("contradiction", text=text, rules=meanings(rules))
    return Refused("unknown_code", text=word.text)


def _amount(work: Work, amount: Amount, pending: Pending | None, amend: str | None) -> Text:
    match pending:
        case PendingLot():
            return materials.consume(work, pending, amount)
        case PendingReport():
            return reports.enter(work, pending, amount)
        case PendingDefect():
            return defects.requantify(work, pending, amount)
        case PendingSide():
            return outputs.make(work, pending, amount)
        case PendingVerdict():
            return verdicts.requantify(work, pending, amount)
        case None if amend and _fresh(work):
            work.live = replace(work.live, amend=amend)
            return defects.amend(work, amount)
    raise Refused("quantity_alone")


def _fresh(work: Work) -> bool:
    heard = work.live.heard
    return heard is not None and work.now.since(heard.at) <= PENDING_MS


def _ok(work: Work, pending: Pending | None) -> Text:
    match pending:
        case PendingReport(kind="done"):
            return reports.complete(work, pending)
        case PendingReport(kind="part"):
            return reports.report(work, pending)
        case PendingReport(kind="shift"):
            return people.handed(work, pending)
        case PendingReport(kind="switch"):
            return orders.switch(work, pending)
        case PendingCheck():
            return _confirmed(work, pending)
        case PendingReport(kind="lot"):
            return outputs.change_lot(work, pending)
        case PendingDefect():
            return defects.confirm(work, pending)
        case PendingVerdict():
            return verdicts.confirm(work, pending)
        case PendingStart():
            return automatic.start(work, pending)
        case PendingRestart():
            return orders.restart(work, pending)
        case PendingPause():
            return automatic.pause(work, pending)
        case PendingUndo():
            return undo.confirm(work, pending)
        case PendingSetup():
            reports.confirm_setup(work, pending)
            return orders.end_setup(work)
        case PendingLot(lot=lot):
            raise Refused("lot_waits", lot=lot)
        case PendingSide(material=material):
            raise Refused("side_waits", material=material)
    raise Refused("ok_alone")


def _confirmed(work: Work, pending: PendingCheck) -> Text:
    """OK: do what was asked about."""
    work.live = replace(work.live, pending=pending.over, until=work.now if pending.over else None)
    work.verdicts.confirmed = frozenset(pending.codes)
    work.verdicts.tested = list(pending.tested)
    return meant(work, pending.word)


def _command(work: Work, name: str, reason: str, at_hand: str | None) -> Text:
    match name:
        case "DONE":
            return reports.done(work)
        case "PART":
            return reports.part(work)
        case "SCRAP":
            return defects.scrap(work, "scrap", reason, at_hand)
        case "REWORK":
            return defects.scrap(work, "rework", reason, at_hand)
        case "GOOD":
            return verdicts.turned_good(work)
        case "CONCESSION":
            return verdicts.concession(work, reason)
        case "TOOL":
            return tools.mount(work, reason)
        case "NOTOOL":
            return tools.take_off(work)
        case "BLOCKED":
            return tools.block(work, reason)
        case "METER":
            return tools.replace_meter(work, reason)
        case "PAUSE":
            return orders.pause(work, reason)
        case "GO":
            return orders.go(work)
        case "SETUP":
            return orders.setup(work)
        case "UNDO":
            return undo.propose(work)
        case "OUT":
            return people.sign_off(work)
        case "SHIFT":
            return people.hand_over(work)
        case "EXTRA" | "RETURN" | "UNMOUNT":
            return handling.begin(work, PendingMaterial(name, reason or None))
    raise Refused("not_offered", command=f"LSC{name}")
