"""Requests are few, within the protocol's limits, and never tear a value apart."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.plan import MAX_BITS, MAX_REGISTERS, Block, plan, split
from drivers.modbus.settings import WIDTH, Tag


def tag(address: int, type: str = "uint16", register: str = "holding", **more: Any) -> Tag:
    return Tag.model_validate({"register": register, "address": address, "type": type, **more})


def spans(blocks: tuple[Block, ...]) -> list[tuple[str, int, int]]:
    return [(block.register, block.address, block.count) for block in blocks]


tags = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=6),
    st.one_of(
        st.builds(
            tag,
            st.integers(0, 400),
            st.sampled_from(sorted(WIDTH)),
            st.sampled_from(["holding", "input"]),
        ),
        st.builds(tag, st.integers(0, 5000), st.just("bool"), st.sampled_from(["coil", "discrete"])),
    ),
    max_size=60,
)


@given(tags, st.integers(0, 123))
def test_every_tag_is_read_once_whole_and_within_the_limits(tags: dict[str, Tag], max_gap: int) -> None:
    blocks = plan(tags, max_gap)
    read = [(name, tag) for block in blocks for name, tag in block.tags]
    assert sorted(name for name, _ in read) == sorted(tags)
    for block in blocks:
        limit = MAX_BITS if block.register in ("coil", "discrete") else MAX_REGISTERS
        assert 1 <= block.count <= limit
        for _, tag in block.tags:
            assert tag.register == block.register
            assert block.address <= tag.address
            assert tag.end <= block.address + block.count


@given(tags, st.integers(0, 123))
def test_dividing_a_block_loses_no_tag_and_ends(tags: dict[str, Tag], max_gap: int) -> None:
    for block in plan(tags, max_gap):
        waiting, alone = [block], []
        while waiting:
            halves = split(waiting[-1])
            part = waiting.pop()
            if halves is None:
                alone.append(part)
            else:
                assert halves[0].address + halves[0].count <= halves[1].address
                assert halves[0].tags + halves[1].tags == part.tags
                waiting += reversed(halves)
        assert tuple(entry for part in alone for entry in part.tags) == block.tags


def test_neighbours_share_one_request() -> None:
    blocks = plan({"a": tag(10), "b": tag(11, "float32"), "c": tag(13, "uint64")}, max_gap=0)
    assert spans(blocks) == [("holding", 10, 7)]


def test_a_gap_is_read_along_up_to_max_gap_and_not_beyond() -> None:
    tags = {"a": tag(10), "b": tag(15)}
    assert spans(plan(tags, max_gap=4)) == [("holding", 10, 6)]
    assert spans(plan(tags, max_gap=3)) == [("holding", 10, 1), ("holding", 15, 1)]


def test_a_gap_of_bits_counts_sixteen_to_the_register() -> None:
    tags = {"a": tag(0, "bool", "coil"), "b": tag(17, "bool", "coil")}
    assert spans(plan(tags, max_gap=1)) == [("coil", 0, 18)]
    assert spans(plan(tags, max_gap=0)) == [("coil", 0, 1), ("coil", 17, 1)]


def test_a_value_at_the_limit_moves_whole_into_the_next_request() -> None:
    tags = {f"t{address}": tag(address) for address in range(124)} | {"wide": tag(124, "uint32")}
    assert spans(plan(tags, max_gap=0)) == [("holding", 0, 124), ("holding", 124, 2)]


def test_500_neighbours_take_four_requests() -> None:
    assert len(plan({f"t{n}": tag(n) for n in range(500)}, max_gap=16)) == 4


def test_tables_are_never_mixed() -> None:
    tags = {"a": tag(1), "b": tag(1, register="input"), "c": tag(1, "bool", "coil")}
    assert len(plan(tags, max_gap=16)) == 3


def test_bits_of_one_register_are_read_with_it_and_cannot_be_divided() -> None:
    (block,) = plan({"a": tag(5, "bool", bit=0), "b": tag(5, "bool", bit=9)}, max_gap=0)
    assert (block.count, split(block)) == (1, None)


def test_a_refused_block_is_divided_at_its_widest_gap_first() -> None:
    (block,) = plan({"a": tag(0), "b": tag(1), "c": tag(2), "d": tag(9)}, max_gap=16)
    halves = split(block)
    assert halves is not None
    assert spans(halves) == [("holding", 0, 3), ("holding", 9, 1)]
