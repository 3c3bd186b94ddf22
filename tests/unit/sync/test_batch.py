"""A batch carries the stored bytes; ids are those that decoding would find; portions find poison."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.events import ReviewSettled, WorkPaused, WorkStarted, decode
from edge.faults import JournalDamaged
from sync.batch import Batch, Portion, pack
from tests.unit.sync.making import EPOCH, SOURCE, paused, stored


@given(
    st.lists(
        st.builds(
            WorkStarted,
            phase=st.just("run"),
            station=st.text(),
            work_order=st.text(min_size=1),
            operation=st.text(),
            refs=st.dictionaries(st.sampled_from(["id", "recordedtime", "sequence"]) | st.text(), st.text()),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_ids_and_bytes_are_those_of_the_journal(facts: list[WorkStarted]) -> None:
    rows = stored(*facts)
    batch = pack(EPOCH, SOURCE, rows)
    events = [decode(body) for _, body in rows]
    assert list(batch.ids) == [event.id for event in events]
    assert [head.id for head in batch.heads] == list(batch.ids)
    assert [head.subject for head in batch.heads] == [event.subject for event in events]
    assert json.loads(batch.body) == [json.loads(body) for _, body in rows]
    assert batch.key == f"{SOURCE}:1-{len(rows)}"


def test_an_event_in_another_form_still_gives_its_id() -> None:
    body = b'{"type":"lineside.work.paused.v1","recordedtime":"x","id":"short"}'
    assert list(pack(EPOCH, SOURCE, [(1, body)]).ids) == ["short"]


def test_ids_of_other_lengths_that_make_up_for_each_other_are_not_mistaken() -> None:
    rows = [
        (seq, b'{"id":"%b","recordedtime":"x","type":"lineside.work.paused.v1"}' % id_)
        for seq, id_ in enumerate((b"a" * 35, b"b" * 37, b"c" * 36), 1)
    ]
    assert list(pack(EPOCH, SOURCE, rows).ids) == ["a" * 35, "b" * 37, "c" * 36]


def test_damage_is_said_with_its_place() -> None:
    rows = [*stored(paused(1)), (2, b"{broken")]
    with pytest.raises(JournalDamaged, match="between seq 1 and 2"):
        pack(EPOCH, SOURCE, rows)


def test_held_orders_are_kept_back_and_the_rest_goes() -> None:
    rows = stored(paused(1, "A"), paused(2, "B"), paused(3, "A/x"), paused(4, None), paused(5, "B"))
    batch = pack(EPOCH, SOURCE, rows, frozenset({"B", "A/x"}))
    assert [seq for seq, _ in batch.rows] == [1, 4]
    assert [kept.seq for kept in batch.kept] == [2, 3, 5]
    assert batch.last == 5 and len(json.loads(batch.body)) == 2
    everything = pack(EPOCH, SOURCE, rows[:1], frozenset({"A"}))
    assert everything.rows == [] and everything.body == b"[]" and everything.last == 1


def test_decisions_are_found_by_the_end_of_the_stored_form() -> None:
    settled = ReviewSettled(settles=("x",), how="retried", person="chief")
    lookalike = WorkPaused(reason='"type":"lineside.review.settled.v1"}')
    rows = stored(paused(1), settled, lookalike)
    assert [seq for seq, _ in pack(EPOCH, SOURCE, rows).reviews] == [2]


def sized(portion: Portion, *sizes: int) -> int:
    return len(portion.cut([(number, b"x" * size) for number, size in enumerate(sizes)]))


def test_a_portion_keeps_to_its_bytes_brackets_and_commas_included() -> None:
    assert sized(Portion(500, 10), 4, 3) == 2  # [4444,333] is ten
    assert sized(Portion(500, 9), 4, 3) == 1
    assert sized(Portion(500, 9), 99, 1) == 1
    assert sized(Portion(2, 1000), 1, 1, 1) == 2


@given(st.integers(1, 200), st.data())
def test_bisection_ends_at_the_poison_in_few_calls(count: int, data: st.DataObject) -> None:
    poison = data.draw(st.integers(1, count))
    rows = [(seq, b'{"id":"%d","type":""}' % seq) for seq in range(1, count + 1)]
    portion, seq, calls, found = Portion(500, 1 << 20), 0, 0, []
    while seq < count:
        calls += 1
        batch: Batch = pack(EPOCH, SOURCE, portion.cut(rows[seq : seq + portion.events]))
        if poison not in [row[0] for row in batch.rows]:
            seq = batch.last
            portion.passed(seq)
        elif len(batch.rows) > 1:
            portion.narrow(batch, too_large=False)
        else:
            found.append(batch.last)
            seq = batch.last
            portion.isolated()
    assert found == [poison] and calls <= 20
