"""For any interleaving of scans, signals, restarts, clock steps and settlements (`interleaved`):

pieces are conserved, people's time is too, each order has its share of it, every open job can be completed,
and the facts alone lead to the state.
"""

from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge import events as e
from edge.station.evolve import fold
from edge.station.pending import PendingReport
from edge.station.review.originals import Traced, after
from edge.station.review.requests import Correct
from edge.station.state import Line
from edge.station.step import Sought
from tests.unit.station.interleaved import (
    BENCH,
    PLANTS,
    POSSIBLE,
    PRESS,
    REVERSED,
    WARNING,
    ZERO,
    Move,
    Shop,
    moves,
    pieces,
)

RULES = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def cancelled(shop: Shop) -> set[str]:
    return {fact.corrects for fact in shop.facts(e.WorkCorrected) if isinstance(fact, e.WorkCorrected)}


def entered(fact: e.WorkReported) -> bool:
    """Whether a person entered it beside what the station said."""
    return fact.origin == "manual" and fact.replaces is None


@RULES
@example(WARNING, REVERSED["at once"])
@example(WARNING, REVERSED["its rest accepted"])
@example(WARNING, REVERSED["its rest given away"])
@example(WARNING, REVERSED["behind two"])
@given(PLANTS, moves())
def test_what_the_counter_moved_is_reported_or_open_or_waits_or_is_held(
    plant: dict[str, Any], given_: list[Move]
) -> None:
    shop = Shop(plant).play(given_)
    counts = [
        fact
        for fact in shop.facts(e.CountRecorded, e.CountUnattributed)
        if isinstance(fact, e.CountRecorded) and fact.counter == "good"
    ]
    held = sum((fact.delta or ZERO for fact in counts if fact.held), ZERO)
    moved = sum((fact.delta or ZERO for fact in counts if not fact.held), ZERO)
    assert (held, moved) == (shop.jumped, shop.moved)

    gone = cancelled(shop)
    reported = sum(
        (
            pieces(event.data)
            for event in shop.events
            if isinstance(event.data, e.WorkReported) and event.data.station == PRESS
            if event.id not in gone and not entered(event.data)
        ),
        ZERO,
    )
    still_open = sum(
        (
            job.counted.get("good", ZERO) - job.good - job.scrap - job.rework - job.concession
            + job.setup_counted.get("good", ZERO) - job.setup_scrap
            for job in shop.station.jobs
        ),
        ZERO,
    )  # fmt: skip
    settled = [
        id_
        for fact in shop.facts(e.ReviewSettled)
        if isinstance(fact, e.ReviewSettled)
        for id_ in fact.settles
    ]
    left = [
        (event.id, event.data.quantity or ZERO)
        for event in shop.events
        if isinstance(event.data, e.CountUnattributed) and event.data.counter == "good"
        if event.id in settled or event.data.caused_by is None or event.data.caused_by not in gone
    ]
    unattributed = sum((quantity for _, quantity in left), ZERO)
    undone = {
        fact.corrects
        for fact in shop.facts(e.WorkCorrected)
        if isinstance(fact, e.WorkCorrected) and fact.origin == "scan"
    }
    again = undone | shop.reopened  # their jobs propose what was reversed meanwhile
    decided = shop.decided + sum((one for id_, one in shop.closed_by if id_ not in again), ZERO)
    assert shop.moved + decided == reported + still_open + unattributed

    waiting = {id_: one.kind for one in shop.waiting for id_ in one.ids}
    assert len(settled) == len(set(settled)), "nothing is settled twice"
    assert all((id_ in waiting) != (id_ in settled) for id_, quantity in left if quantity)


@RULES
@example(WARNING, REVERSED["at once"])
@example(WARNING, REVERSED["its rest accepted"])
@example(WARNING, REVERSED["its rest given away"])
@example(WARNING, REVERSED["behind two"])
@given(PLANTS, moves(reboots=False))
def test_presence_is_labour_and_unassigned_time_and_breaks_behind_every_commit(
    plant: dict[str, Any], given_: list[Move]
) -> None:
    shop = Shop(plant).play(given_)
    present, told = Counter[str](), Counter[str]()
    crews: dict[str, set[str]] = {}
    reported: dict[str, Counter[str]] = {}
    line, before_ms = Line(), 0
    for body, event, number in zip(shop.bodies, shop.events, range(1, len(shop.events) + 1), strict=True):
        fact = event.data
        if fact.monotonic_s is not None and not isinstance(fact, e.ClockStepped):
            now_ms = round(fact.monotonic_s * 1000)
            for operator in crews:
                present[operator] += now_ms - before_ms if crews[operator] else 0
            before_ms = now_ms
        _signed(crews, fact)
        told += _told(fact)
        if isinstance(fact, e.WorkReported) and not entered(fact):
            reported[event.id] = _labour(fact)
            told += reported[event.id]
        if isinstance(fact, e.WorkCorrected):
            told.subtract(reported.get(fact.corrects, Counter()))
        line = fold(line, e.decode(body))
        if number in shop.commits:
            assert told + _held(line) == +present, f"behind {number}"


def _signed(crews: dict[str, set[str]], fact: e.Fact) -> None:
    """Who is signed on where, after a fact."""
    if isinstance(fact, e.OperatorSignedOn):
        crews.setdefault(fact.operator, set()).add(fact.station or "")
    if isinstance(fact, e.OperatorSignedOff):
        crews[fact.operator].discard(fact.station or "")


def _told(fact: e.Fact) -> Counter[str]:
    """A person's time that a fact says no job has, in ms: also what is given to an order later."""
    if isinstance(fact, e.TimeUnassigned | e.BreakTaken) and fact.operator:
        return Counter({fact.operator: round(fact.s * 1000)})
    return Counter()


def _labour(report: e.WorkReported) -> Counter[str]:
    """People's time that a report carries, in ms."""
    found: Counter[str] = Counter()
    shares = report.resources.labour if report.resources else ()
    for one in shares if isinstance(shares, tuple) else ():
        found[one.operator] += round(one.s * 1000)
    return found


def _held(line: Line) -> Counter[str]:
    """People's time that no fact carries yet, in ms."""
    found: Counter[str] = Counter()
    for station in line.stations.values():
        for job in station.jobs:
            for held in job.labour:
                found[held.operator] += held.ms
    for one in (*line.pools, *line.idle):
        found[one.operator] += one.ms
    return found


def _leaves_time_with_its_order(move: Move) -> bool:
    """An undo and a reversal give an order's time to nobody."""
    return not ("UNDO" in str(move[1]) or (move[0] == "settle" and move[1][1] == "reverse"))


@RULES
@given(PLANTS, moves(reboots=False))
def test_each_order_has_its_share_of_a_persons_time(plant: dict[str, Any], given_: list[Move]) -> None:
    """Without standards all alike: as many parts as orders that the person works on, to the millisecond."""
    shop = Shop(plant).play([move for move in given_ if _leaves_time_with_its_order(move)])
    due, found = defaultdict[_Share, Fraction](Fraction), defaultdict[_Share, Fraction](Fraction)
    line, before_ms, reports = Line(), 0, 0
    for body, event in zip(shop.bodies, shop.events, strict=True):
        fact = event.data
        if fact.monotonic_s is not None and not isinstance(fact, e.ClockStepped):
            now_ms = round(fact.monotonic_s * 1000)
            for operator, orders in _at_work(line).items():
                for order in orders:
                    due[operator, order] += Fraction(now_ms - before_ms, len(orders))
            before_ms = now_ms
        if isinstance(fact, e.WorkReported) and not entered(fact) and fact.replaces is None:
            reports += 1
            for operator, ms in _labour(fact).items():
                found[operator, fact.work_order or ""] += ms
        line = fold(line, e.decode(body))
    for station in line.stations.values():
        for job in station.jobs:
            for held in job.labour:
                found[held.operator, job.work_order] += held.ms
    for pool in line.pools:
        for share in pool.shares:
            found[pool.operator, share.job[0]] += Fraction(pool.ms, len(pool.shares))
    for key in due.keys() | found.keys():
        assert abs(due[key] - found[key]) < max(1, reports), key


_Share = tuple[str, str]  # (operator, order)


def _at_work(line: Line) -> dict[str, list[str]]:
    """On which orders each person works now; the pause 22 lets their time go on."""
    found: dict[str, list[str]] = {}
    if line.period is not None and line.period.on_break is not None:
        return found
    for station in line.stations.values():
        for operator in station.crew:
            if not line.people[operator].doubted:
                working = [job.work_order for job in station.jobs if job.paused in (None, "22")]
                found.setdefault(operator, []).extend(working)
    return found


@RULES
@given(PLANTS, moves())
def test_every_open_job_can_be_completed(plant: dict[str, Any], given_: list[Move]) -> None:
    shop = Shop(plant).play(given_)
    for name in (PRESS, BENCH):
        for _ in range(3 * len(shop.line.station(name).jobs)):
            if shop.line.station(name).jobs:
                _complete(shop, name)
        assert not shop.line.station(name).jobs


def _complete(shop: Shop, name: str) -> None:
    """Complete the job that is worked on, or that is open, as a person does who follows the screen."""

    def scan(code: str) -> None:
        shop.wait(3).scan(code, station=name, device=name)

    scan("LSE2001")
    if shop.line.station(name).job is None:
        scan(f"LSW{' '.join(shop.line.station(name).jobs[0].key)}")
    job = shop.line.station(name).job
    assert job is not None
    if job.paused is not None:
        scan("LSCGO")
    if job.phase == "setup":
        scan("LSCGO")
        scan("LSCOK")
    scan("LSCDONE")
    if shop.lives[name].pending is None:  # a lot is asked for
        scan("[)>\x1e06\x1dPSTEEL-4\x1d1TA1\x1dQ1\x1e\x04")
        scan("LSCOK")
        scan("LSCDONE")
    pending = shop.lives[name].pending
    assert isinstance(pending, PendingReport), shop.lives[name].said
    if pending.total is None:
        scan(f"LSQ{job.good}")
        scan(f"LSQ{job.good}")  # where it is far off the counter
    scan("LSCOK")


@RULES
@example(WARNING, REVERSED["at once"], 0.7)
@example(WARNING, REVERSED["its rest accepted"], 0.7)
@example(WARNING, REVERSED["its rest given away"], 0.7)
@example(WARNING, REVERSED["behind two"], 0.7)
@given(PLANTS, moves(), st.floats(0, 1))
def test_the_state_folded_from_the_journal_is_the_live_state(
    plant: dict[str, Any], given_: list[Move], cut: float
) -> None:
    """Also from a snapshot at any place and the facts behind it, as a restart folds it."""
    shop = Shop(plant).play(given_)
    upto = int(cut * len(shop.bodies))
    line = Line()
    for number, body in enumerate(shop.bodies):
        if number == upto:
            line = msgspec.json.decode(msgspec.json.encode(line), type=Line)
        line = fold(line, e.decode(body))
    assert line == shop.line


COSTED = (e.WorkReported, e.MaterialConsumed, e.OutputReclassified)
IMPOSSIBLE = POSSIBLE | {"reverse_only", "part_of", "corrected_before", "corrected_apart", "rest_settled"}


def corrected(shop: Shop, id_: str, fact: e.Fact, how: str) -> str:
    """A person corrects a fact by what the journal says of it; why it is refused, or nothing."""
    traced = Traced(id=id_)
    for event in shop.events:
        traced = after(traced, event)
    right = {"reverse": True} if how == "reverse" else {"parts": [{"quantity": "3"}]}
    asked = {"corrects": id_, "person": "2001", "note": "counted again"} | right
    request = msgspec.convert(asked | {"how": "correct"}, Correct)
    answer = shop.put(Sought(request, traced, len(shop.events)), fact.station or PRESS).answer
    assert answer is not None
    assert answer.result == "recorded" or answer.why in IMPOSSIBLE, (answer.why, answer.message.en)
    return answer.why


PICKS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(("reverse", "parts"))), min_size=1, max_size=3)


@settings(RULES, max_examples=20)
@given(PLANTS, moves(), PICKS)
def test_whatever_was_recorded_is_corrected_once_and_the_fold_knows_of_it(
    plant: dict[str, Any], given_: list[Move], picks: list[tuple[int, str]]
) -> None:
    shop = Shop(plant).play(given_)
    for number, how in picks:
        costed = [one for one in shop.events if isinstance(one.data, COSTED)]
        if not costed:
            return
        one = costed[-1 - number % len(costed)]
        refused = corrected(shop, one.id, one.data, how)
        assert shop.refolded() == shop.line
        assert refused or corrected(shop, one.id, one.data, how) in ("corrected_before", "clock")
        shop.strokes(3)
        assert shop.refolded() == shop.line
