"""Outcomes become one transaction: the cursor stops before the first retry, forks settle nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.events import Fact, ReviewSettled
from sync.batch import pack
from sync.outcome import Outcome
from sync.settlement import decisions, settle, taken
from tests.unit.sync.making import EPOCH, SOURCE, paused, stored

ROWS = stored(*[paused(number) for number in range(1, 7)], first=11)
BATCH = pack(EPOCH, SOURCE, ROWS)
DECIDED = ReviewSettled(settles=("a",), how="retried", person="chief")
LETTERS = {"a": "accepted", "d": "duplicate", "r": "retry", "x": "rejected"}


def outcomes(letters: str) -> list[Outcome]:
    return [Outcome(status=LETTERS[letter]) for letter in letters]


@given(st.text("adrx", min_size=6, max_size=6))
def test_everything_before_the_first_retry_is_settled_once(letters: str) -> None:
    found = settle(BATCH, outcomes(letters))
    end = letters.find("r") if "r" in letters else 6
    assert found.cursor == 10 + end
    assert found.complete == ("r" not in letters)
    assert [*found.posted] == [11 + at for at in range(end) if letters[at] in "ad"]
    assert [waits.seq for waits in found.quarantine] == [11 + at for at in range(end) if letters[at] == "x"]
    assert sum(found.counts.values()) == end


def test_documents_and_dates_go_with_their_seq() -> None:
    found = settle(
        BATCH,
        [
            Outcome(status="accepted", document="D1", posting_date="2026-11-22"),
            Outcome(status="rejected", document="no"),
            Outcome(status="duplicate", posting_date="2026-11-23"),
            Outcome(status="accepted", document="D4"),
            Outcome(status="retry", document="no"),
            Outcome(status="accepted", document="no"),
        ],
    )
    assert json.loads(found.documents or b"") == {"11": "D1", "14": "D4"}
    assert json.loads(found.posting_dates or b"") == {"11": "2026-11-22", "13": "2026-11-23"}


def test_one_date_for_all_is_written_once() -> None:
    found = settle(BATCH, [Outcome(status="accepted", posting_date="2026-11-22")] * 6)
    assert json.loads(found.posting_dates or b"") == "2026-11-22" and found.documents is None


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("facts", [[paused(1), paused(2)], [paused(1), DECIDED, paused(2)]])
def test_what_was_taken_as_a_whole_is_settled_as_if_each_was_accepted(facts: list[Fact], again: bool) -> None:
    batch = pack(EPOCH, SOURCE, stored(*facts, first=11), again=again)
    found = taken(batch)
    assert found == settle(batch, [Outcome(status="accepted")] * len(facts))
    assert len(found.decisions) == (DECIDED in facts and not again)


def test_a_fork_settles_nothing_from_its_event_on() -> None:
    fork = Outcome(status="rejected", problem={"type": "urn:lineside:problem:fork"})
    found = settle(BATCH, [*outcomes("ax"), fork, *outcomes("aaa")])
    assert found.cursor == 12 and found.forked is fork
    assert [waits.seq for waits in found.quarantine] == [12]


def test_a_fork_that_is_known_or_of_a_fact_sent_again_is_a_rejection() -> None:
    fork = Outcome(status="rejected", problem={"type": "urn:lineside:problem:fork"})
    said = [*outcomes("a"), fork, *outcomes("aaaa")]
    known, again = settle(BATCH, said, past_fork=True), settle(pack(EPOCH, SOURCE, ROWS, again=True), said)
    assert known.cursor == 16 and again.cursor is None
    for found in (known, again):
        assert found.forked is None and [waits.seq for waits in found.quarantine] == [12]
        assert list(found.posted) == [11, 13, 14, 15, 16]


def test_kept_facts_are_held_up_to_the_stop() -> None:
    rows = stored(paused(1, "A"), paused(2, "B"), paused(3, "A"), paused(4, "B"))
    batch = pack(EPOCH, SOURCE, rows, frozenset({"B"}))
    found = settle(batch, outcomes("ar"))
    assert found.cursor == 2
    assert [(waits.seq, waits.state) for waits in found.quarantine] == [(2, "held")]
    only_kept = settle(pack(EPOCH, SOURCE, rows[1:2], frozenset({"B"})), [])
    assert only_kept.cursor == 2 and not only_kept.answered and only_kept.counts == {"held": 1}


def test_decisions_count_where_the_cursor_passes_them_even_when_held_or_rejected() -> None:
    def decision(*ids: str, order: str | None = None) -> ReviewSettled:
        return ReviewSettled(settles=ids, how="retried", person="chief", work_order=order)

    rows = stored(decision("a"), decision("b", order="B"), paused(3), decision("c"), decision("d"))
    batch = pack(EPOCH, SOURCE, rows, frozenset({"B"}))
    found = settle(batch, outcomes("xaar"))
    assert [(one.seq, one.ids) for one in found.decisions] == [(1, ("a",)), (2, ("b",)), (4, ("c",))]
    again = pack(EPOCH, SOURCE, rows, again=True)
    assert settle(again, outcomes("aaaaa")).decisions == ()
    assert settle(again, outcomes("aaaaa")).cursor is None


def test_a_problem_of_any_form_becomes_bounded_json() -> None:
    for problem in (None, "text", 7, ["list"], {"title": "x" * 9000, "deep": [{}] * 999}):
        found = settle(BATCH, [Outcome(status="rejected", problem=problem), *outcomes("aaaaa")])
        assert len(found.quarantine[0].problem) < 4096
        assert isinstance(json.loads(found.quarantine[0].problem), dict)


def test_a_decision_says_whose_it_is_and_why() -> None:
    rows = stored(ReviewSettled(settles=("a",), how="discarded", person="chief", note="by hand"))
    (found,) = decisions(rows)
    assert (found.how, found.person, found.note) == ("discarded", "chief", "by hand") and found.at_ms > 0


@pytest.mark.parametrize("turned", [b'"how":', b'"how":"\xc3\x28"', b"}}"])
def test_a_decision_that_is_damaged_decides_nothing_and_ends_nothing(turned: bytes) -> None:
    ((seq, body),) = stored(DECIDED)
    broken = body[: body.index(b'"how"')] + turned + b'},"type":"lineside.review.settled.v1"}'
    assert decisions([(seq, broken), (seq + 1, body)]) == decisions([(seq + 1, body)]) != ()


def test_a_decision_of_another_kind_or_version_is_passed_over() -> None:
    rows = stored(ReviewSettled(settles=("a",), how="accepted", person="chief"), paused(2))
    unheard_of = rows[0][1].replace(b'"how":"accepted"', b'"how":"postponed","until":{"day":"x"}')
    assert decisions([*rows, (3, unheard_of)]) == ()
