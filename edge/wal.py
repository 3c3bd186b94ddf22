"""The write-ahead log of SQLite as a file (https://sqlite.org/fileformat2.html, section 4).

Needed where SQLite itself cannot be asked: SQLite ends a log at the first frame that does not fit, silently.
"""

import os
import shutil
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEADER = struct.Struct(">8I")  # magic, format, page size, checkpoint, salt 1, salt 2, checksum 1 and 2
_FRAME = struct.Struct(">6I")  # page, pages after a commit or 0, salt 1, salt 2, checksum 1 and 2
CHECKPOINT_FRAMES = 1000  # SQLite's own: behind them it begins the log anew, without shortening it
_PIECE = 1 << 16
_WORD = 0xFFFFFFFF
_MAGIC = 0x377F0682  # with the lowest bit: checksums over big-endian words


@dataclass(frozen=True)
class Log:
    """What can be said of a log."""

    page_size: int = 4096
    frames: int = 0  # through the last commit whose checksums hold
    pages: dict[int, int] = field(default_factory=dict)  # page number: offset of its last committed form
    lost: bool = False  # behind them lie commits that had been written whole
    behind: tuple[int, ...] = ()  # where it is: offsets of the pages in what lies there


def read(path: Path) -> Log:
    """Read a log, checking every frame; about 0.3 ms a frame. A file that is not there is an empty log."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
            if not head.strip(b"\0"):
                return Log()  # never written: its first sync never returned
            if len(head) < _HEADER.size:
                return Log(lost=True)
            magic, _, page_size, _, salt1, salt2, *sums = _HEADER.unpack(head)
            order = ">" if magic & 1 else "<"
            state = _summed(order, head[:24], (0, 0))
            if magic & ~1 != _MAGIC or page_size not in _PAGE_SIZES or state != tuple(sums):
                return _headless(path, page_size)
            pages: dict[int, int] = {}
            waiting: dict[int, int] = {}
            frames = number = 0
            flipped: list[int] = []
            while len(frame := file.read(_FRAME.size)) == _FRAME.size:
                page, commit, *told = _FRAME.unpack(frame)
                body = file.read(page_size)
                if len(body) < page_size:
                    break
                state = _summed(order, frame[:8] + body, state)
                if told != [salt1, salt2, *state]:
                    if _one_bit_off(told, [salt1, salt2, *state], page_size // 8 + 1):
                        flipped.append(file.tell() - page_size)
                    break
                number += 1
                waiting[page] = file.tell() - page_size
                if commit:
                    frames, pages, waiting = number, pages | waiting, {}
            behind = list(_frames(path, frames, page_size, (salt1, salt2)))
            if not (flipped or _lost(commit for _, commit in behind)):
                return Log(page_size, frames, pages)
            return Log(page_size, frames, pages, True, (*flipped, *(at for at, _ in behind)))
    except FileNotFoundError:
        return Log()


def lengthen(path: Path) -> None:
    """Give a log at once the length that it comes to, where its disk has ten times that. Raises OSError.

    While a log grows each commit waits for the file system's journal too, and so for what others write there:
    twice as long on a quiet disk. Zeros behind the last frame end a log as its end does. Nothing may be
    written to the log meanwhile.
    """
    length = _HEADER.size + CHECKPOINT_FRAMES * (_FRAME.size + Log.page_size)
    with path.open("r+b", buffering=0) as file:
        held = os.fstat(file.fileno()).st_size
        if held < length and shutil.disk_usage(path).free > 10 * length:
            # Written, not only allocated: the file system's journal would note each block's first use too.
            for at in range(held, length, _PIECE):
                os.pwrite(file.fileno(), bytes(min(_PIECE, length - at)), at)
            os.fsync(file.fileno())


def begun(path: Path) -> bool:
    """Whether anything was ever written to a log. Who reads a file without one leaves an empty one there."""
    try:
        with path.open("rb") as file:
            return any(file.read(_HEADER.size))
    except FileNotFoundError:
        return False


def _lost(commits: Iterable[bool]) -> bool:
    """Whether commits that had been synced are among frames that do not follow on what holds.

    A power cut tears at most the last transaction. Frames of this log behind a later commit were written
    after that commit's sync returned: the log was damaged before them.
    """
    committed = False
    for commit in commits:
        if committed:
            return True
        committed = commit
    return False


def _headless(path: Path, page_size: int) -> Log:
    """A log whose first 32 bytes are damaged: nothing holds, and each frame like the first counts."""
    sizes = (page_size_of(path.with_name(path.name.removesuffix("-wal"))), page_size)
    size = next((one for one in sizes if one in _PAGE_SIZES), Log.page_size)
    with path.open("rb") as file:
        file.seek(_HEADER.size)
        first = file.read(_FRAME.size)
    if len(first) < _FRAME.size or not any(first):
        return Log(size)  # it held nothing yet
    _, _, salt1, salt2, _, _ = _FRAME.unpack(first)
    return Log(size, lost=True, behind=tuple(at for at, _ in _frames(path, 0, size, (salt1, salt2))))


def page_size_of(path: Path) -> int | None:
    """A database's page size as its header has it (file format, 1.3.2); None where that cannot be."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(18)[16:18], "big")
    except FileNotFoundError:
        return None
    size = 65_536 if size == 1 else size
    return size if size in _PAGE_SIZES else None


def _frames(path: Path, after: int, page_size: int, salts: tuple[int, int]) -> Iterator[tuple[int, bool]]:
    """Each frame of this log behind `after` ones: its page's offset, and whether it ends a transaction."""
    with path.open("rb") as file:
        file.seek(_HEADER.size + after * (_FRAME.size + page_size))
        while len(frame := file.read(_FRAME.size)) == _FRAME.size:
            _, commit, salt1, salt2, _, _ = _FRAME.unpack(frame)
            if (salt1, salt2) == salts:
                yield file.tell(), commit != 0
            file.seek(page_size, 1)


def _one_bit_off(told: list[int], right: list[int], pairs: int) -> bool:
    """Whether a frame was whole but for one bit of it: two salts and two sums that it tells, and that fit.

    The last commit may be torn by a power cut, so a frame that does not fit is no damage by itself. But what
    one bit makes fit was written whole: of torn frames not one in 2^48 looks like that.
    """
    bits = [(one ^ other).bit_count() for one, other in zip(told, right, strict=True)]
    return sum(bits) == 1 or (
        bits[:2] == [0, 0] and _bit_in_words(told[2] - right[2], told[3] - right[3], pairs)
    )


def _bit_in_words(one: int, two: int, pairs: int) -> bool:
    """Whether sums over so many pairs of words differ by this because one bit of one word does.

    The sums are linear in the words: a word of the last pair counts (1, 1) or (0, 1) times, and each pair
    behind makes (u, v) of it (u + v, u + 2v).
    """
    wanted = {(one & _WORD, two & _WORD), (-one & _WORD, -two & _WORD)}
    first, second = (1, 1), (0, 1)
    for _ in range(pairs):
        for u, v in (first, second):
            if any((u << bit & _WORD, v << bit & _WORD) in wanted for bit in range(32)):
                return True
        first, second = (((u + v) & _WORD, (u + 2 * v) & _WORD) for u, v in (first, second))
    return False


def _summed(order: str, data: bytes, state: tuple[int, int]) -> tuple[int, int]:
    one, two = state
    words = struct.unpack(f"{order}{len(data) // 4}I", data[: len(data) // 4 * 4])
    for even, odd in zip(words[::2], words[1::2], strict=False):
        one = (one + even + two) & _WORD
        two = (two + odd + one) & _WORD
    return one, two


_PAGE_SIZES = frozenset(1 << power for power in range(9, 17))
