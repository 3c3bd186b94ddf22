"""Which requests read which tags, decided before any I/O.

Neighbours share a request; a request costs about sixty times a register, so small gaps are read along.
Limits of one request are 125 registers or 2000 bits (Modbus Application Protocol V1.1b3, 6.1 to 6.4). A value
of several registers is never split over two requests: its halves could belong to different moments.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drivers.modbus.settings import PolledSettings, Register, Tag

MAX_REGISTERS = 125
MAX_BITS = 2000


@dataclass(frozen=True)
class Block:
    """One request: `count` registers or bits from `address`, and the tags within, by address."""

    register: Register
    address: int
    count: int
    tags: tuple[tuple[str, Tag], ...]

    def __str__(self) -> str:
        last = self.address + self.count - 1
        return f"{self.register} {self.address}" + (f"-{last}" if self.count > 1 else "")


def groups(settings: PolledSettings) -> list[tuple[float, tuple[Block, ...]]]:
    """Poll intervals and the requests for the tags that have them, the shortest interval first."""
    intervals: dict[float, dict[str, Tag]] = {}
    for name, tag in settings.tags.items():
        interval_s = settings.poll_interval_s if tag.poll is None else settings.polls[tag.poll]
        intervals.setdefault(interval_s, {})[name] = tag
    return [(interval_s, plan(tags, settings.max_gap)) for interval_s, tags in sorted(intervals.items())]


def plan(tags: Mapping[str, Tag], max_gap: int) -> tuple[Block, ...]:
    """Few requests that read all `tags`; gaps up to `max_gap` registers (16 bits each) are read along."""
    tables: dict[Register, list[tuple[str, Tag]]] = {}
    for name, tag in tags.items():
        tables.setdefault(tag.register, []).append((name, tag))
    return tuple(block for table in tables.values() for block in _blocks(table, max_gap))


def _blocks(table: list[tuple[str, Tag]], max_gap: int) -> Iterable[Block]:
    table.sort(key=lambda entry: (entry[1].address, entry[1].end))
    is_bit = table[0][1].is_bit
    limit, gap = (MAX_BITS, max_gap * 16) if is_bit else (MAX_REGISTERS, max_gap)
    begun: list[tuple[str, Tag]] = []
    end = 0
    for name, tag in table:
        if begun and (tag.address - end > gap or max(end, tag.end) - begun[0][1].address > limit):
            yield _block(begun)
            begun, end = [], 0
        begun.append((name, tag))
        end = max(end, tag.end)
    yield _block(begun)


def _block(tags: Iterable[tuple[str, Tag]]) -> Block:
    within = tuple(tags)
    first = within[0][1]
    end = max(tag.end for _, tag in within)
    return Block(first.register, first.address, end - first.address, within)


def alone(block: Block, index: int = 0) -> Block:
    """A request for no more than one of the block's tags."""
    return _block(block.tags[index : index + 1])


def split(block: Block) -> tuple[Block, Block] | None:
    """The block in two, at its widest gap, else near its middle; None where it cannot be divided.

    A device refuses a whole request for one register that it does not have, which is most often one in a gap.
    """
    cuts: list[tuple[int, int, int]] = []
    end = 0
    for index, (_, tag) in enumerate(block.tags):
        if index and tag.address >= end:
            cuts.append((tag.address - end, -abs(2 * index - len(block.tags)), index))
        end = max(end, tag.end)
    if not cuts:
        return None
    index = max(cuts)[2]
    return _block(block.tags[:index]), _block(block.tags[index:])
