"""The station's one state machine: every input goes through `step`, every scan gets an answer.

`(line, live, input, master data, now) -> (line, live, drafts, answer)`, pure: ids come from the caller. What
a refused scan would have changed is left as it was.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from edge.events import CountRecorded, Draft, WorkReported
from edge.masterdata import MasterData
from edge.readings import Moment, Reading, Scan, Unreadable
from edge.station import automatic, backflush, grammar, provisional, signals
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
from edge.station.review.requests import Asked
from edge.station.review.settle import settle
from edge.station.review.words import Unsettled, word
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
from edge.station.state import (
    Heard,
    Line,
    Live,
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
    Said,
)
from edge.station.texts import Text, disposition, meanings, say, unread
from edge.station.work import PENDING_MS, Answer, Doubted, Refused, Site, Work, number

REPEAT_MS = 2_000


class Tick(msgspec.Struct, frozen=True):
    """Time passed."""


class Observed(msgspec.Struct, frozen=True):
    """Devices said something."""

    readings: Sequence[Reading]


class Stopping(msgspec.Struct, frozen=True):
    """The collector is about to stop: what moved is recorded, so that the next start goes on from it."""


class Restarted(msgspec.Struct, frozen=True):
    """The collector started: pending entries have ended."""


Input = Scan | Unreadable | Observed | Tick | Restarted | Stopping | Asked


class Step(msgspec.Struct, frozen=True):
    """What an input led to. `answer` is for the person, where one is waiting."""

    line: Line
    live: Live
    drafts: tuple[Draft, ...]
    answer: Answer | None = None


def step(
    site: Site,
    name: str,
    line: Line,
    live: Live,
    given: Input,
    master: MasterData,
    now: Moment,
    new_id: Callable[[int], str],
) -> Step:
    """One input at station `name`."""
    work = Work(site, name, line, live, master, now, new_id)
    now = work.now
    provisional.arrive(work)
    answer = _expire(work)
    match given:
        case Scan():
            answer = _scan(work, given)
        case Unreadable():
            answer = Answer("refused", unread(given.reason))
            _say(work, answer)
        case Observed():
            signals.observe(work, given.readings)
            automatic.watch(work)
            signals.tick(work)
        case Tick():
            automatic.watch(work)
            signals.tick(work)
        case Stopping():
            signals.stopping(work)
        case Restarted():
            if work.station.jobs:
                work.live = replace(work.live, said=Said("info", say("restarted"), now))
        case Asked():
            answer = _settled(work, given)
    return Step(work.line, work.live, tuple(work.drafts), answer)


def _settled(work: Work, asked: Asked) -> Answer:
    """What a person decides about what waits. A total that is shown here ends, for it may hold too little."""
    try:
        done = settle(work.site, work.line, asked, work.master, work.now, work.new_id)
    except (Unsettled, Refused) as refused:
        return Answer("refused", refused.text, refused.key)
    work.line = done.line
    work.drafts += done.drafts
    reported = any(isinstance(one.data, WorkReported) for one in done.drafts)
    if reported and isinstance(work.live.pending, PendingReport):
        work.end_wait()
        _say(work, Answer("refused", word("disturbed")))
    return Answer("recorded", done.message)


def _scan(work: Work, scan: Scan) -> Answer:
    if _repeats(work, scan):
        return Answer("repeated", say("repeated", text=grammar.shown(scan.text)))
    before = work.line, work.live, len(work.drafts)
    taken = True
    word = work.site.grammar.read(scan)
    if isinstance(word, Amount) or word == Command("OK"):
        work.verdicts.tested = list(work.live.tested)
    try:
        message = _meant(work, word)
        if work.verdicts.asked:
            work.line, work.live = before[:2]
            del work.drafts[before[2] :]
            message = _ask(work, word)
        drafted = work.drafts[before[2] :]
        warnings = sum(work.verdicts.said, Text("", "")) + backflush.warned(drafted)
        recorded = any(not isinstance(one.data, CountRecorded) for one in drafted)
        answer = Answer("recorded" if recorded else "pending", message + warnings, warned=bool(warnings.en))
    except Doubted as doubted:
        answer = Answer("refused", _without(work, before[1].pending, doubted.text))
    except Refused as refused:
        work.line, work.live = before[:2]
        del work.drafts[before[2] :]
        answer, taken = Answer("refused", refused.text), False
    if taken and work.live.pending is not None and not isinstance(work.live.pending, PendingCheck):
        work.live = replace(work.live, tested=tuple(work.verdicts.tested))
    _say(work, answer)
    # By the time of the scan, not of its turn: behind a slow commit two scans may be worked off at once.
    work.live = replace(work.live, heard=Heard(scan.device, scan.text, scan.received, taken))
    return answer


def _ask(work: Work, word: Word) -> Text:
    """Wait for OK to a scan that goes against checks. It is done again then: nothing of it is kept."""
    pending, verdicts = work.live.pending, work.verdicts
    asked = tuple(verdicts.asked)
    if isinstance(pending, PendingCheck) and word == Command("OK"):
        work.wait_for(replace(pending, codes=(*pending.codes, *asked)))
    else:
        over = None if isinstance(pending, PendingCheck) else pending
        work.wait_for(PendingCheck(word=word, codes=asked, over=over, tested=work.live.tested))
    verdicts.said = []  # they are said again when it is done
    first, *more = verdicts.asked.values()
    return sum((say("then") + one for one in more), first)


def _confirmed(work: Work, pending: PendingCheck) -> Text:
    """OK: do what was asked about."""
    work.live = replace(work.live, pending=pending.over, until=work.now if pending.over else None)
    work.verdicts.confirmed = frozenset(pending.codes)
    work.verdicts.tested = list(pending.tested)
    return _meant(work, pending.word)


def _repeats(work: Work, scan: Scan) -> bool:
    """The same scan of the same gun within 2 s; never an OK that answers a prompt."""
    heard = work.live.heard
    if heard is None or not heard.taken or (heard.device, heard.text) != (scan.device, scan.text):
        return False
    is_ok = work.site.grammar.read(scan) == Command("OK")
    return scan.received.since(heard.at) < REPEAT_MS and not (is_ok and work.live.pending)


def _meant(work: Work, word: Word) -> Text:
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
        return _without(work, pending, message)
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


def _without(work: Work, pending: Pending | None, message: Text) -> Text:
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


def _expire(work: Work) -> Answer | None:
    """A pending entry ends after 60 s without posting, and says so."""
    live = work.live
    if live.pending is None or live.until is None or work.now.since(live.until) < PENDING_MS:
        return None
    answer = Answer("refused", say("expired", what=_waiting(live.pending)))
    work.end_wait()
    _say(work, answer)
    return answer


def _waiting(pending: Pending) -> Text:
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


def _say(work: Work, answer: Answer) -> None:
    bad = answer.result == "refused"
    said = Said("bad" if bad else "good", answer.message, work.now, answer.warned)
    work.live = replace(work.live, said=said)
