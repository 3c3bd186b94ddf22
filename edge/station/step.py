"""The station's one state machine: every input goes through `step`, every scan gets an answer.

`(line, live, input, master data, now) -> (line, live, drafts, answer)`, pure: ids come from the caller. What
a refused scan would have changed is left as it was.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from edge.events import CountRecorded, Draft, WorkReported
from edge.masterdata import MasterData
from edge.readings import Moment, Reading, Scan, Unreadable
from edge.station import automatic, backflush, grammar, provisional, signals
from edge.station.ending import expired, without
from edge.station.grammar import Amount, Command, Word
from edge.station.live import Heard, Live, Said
from edge.station.meaning import meant
from edge.station.pending import PendingCheck, PendingReport, PendingSetup
from edge.station.review.originals import Traced
from edge.station.review.requests import Asked, Correct
from edge.station.review.settle import settle
from edge.station.review.words import Unsettled, word
from edge.station.state import Line
from edge.station.texts import Text, say, unread
from edge.station.work import Answer, Doubted, Refused, Site, Work

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


class Sought(msgspec.Struct, frozen=True):
    """A person corrects a fact, and what the journal says of it."""

    asked: Correct
    traced: Traced
    seq: int  # through which the journal was read


Input = Scan | Unreadable | Observed | Tick | Restarted | Stopping | Asked | Sought


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
    answer = expired(work)
    if answer is not None:
        _say(work, answer)
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
        case Sought():
            answer = _settled(work, given.asked, given.traced)
    return Step(work.line, work.live, tuple(work.drafts), answer)


def _settled(work: Work, asked: Asked, traced: Traced | None = None) -> Answer:
    """What a person decides about what waits. A total that is shown here ends, for it may hold too little."""
    try:
        done = settle(work.site, work.line, asked, work.master, work.now, work.new_id, traced)
    except (Unsettled, Refused) as refused:
        return Answer("refused", refused.text, refused.key)
    work.line = done.line
    work.drafts += done.drafts
    changed = any(isinstance(one.data, WorkReported | CountRecorded) for one in done.drafts)
    if changed and isinstance(work.live.pending, PendingReport | PendingSetup):
        setup = isinstance(work.live.pending, PendingSetup)
        work.end_wait()
        _say(work, Answer("refused", word("disturbed_setup" if setup else "disturbed")))
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
        message = meant(work, word)
        if work.verdicts.asked:
            work.line, work.live = before[:2]
            del work.drafts[before[2] :]
            message = _ask(work, word)
        drafted = work.drafts[before[2] :]
        warnings = sum(work.verdicts.said, Text("", "")) + backflush.warned(drafted)
        recorded = any(not isinstance(one.data, CountRecorded) for one in drafted)
        result: Literal["recorded", "pending"] = "recorded" if recorded else "pending"
        warned = bool(warnings.en) or isinstance(work.live.pending, PendingCheck)
        answer = Answer(result, message + warnings, warned=warned)
    except Doubted as doubted:
        answer = Answer("refused", without(work, before[1].pending, doubted.text))
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


def _repeats(work: Work, scan: Scan) -> bool:
    """The same scan of the same gun within 2 s; never an OK that answers a prompt."""
    heard = work.live.heard
    if heard is None or not heard.taken or (heard.device, heard.text) != (scan.device, scan.text):
        return False
    is_ok = work.site.grammar.read(scan) == Command("OK")
    return scan.received.since(heard.at) < REPEAT_MS and not (is_ok and work.live.pending)


def _say(work: Work, answer: Answer) -> None:
    bad = answer.result == "refused"
    said = Said("bad" if bad else "good", answer.message, work.now, answer.warned)
    work.live = replace(work.live, said=said)
