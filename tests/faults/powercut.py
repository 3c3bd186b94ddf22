"""A disk that can lose its power: what is durable, what may be, and the files that a restart finds.

The rules are POSIX's, not those of one kind and more forgiving file system. Bytes are durable when an fsync
or fdatasync that began after their write has ended; a name, its removal and its change when such a sync of
the folder has ended. Of everything else a cut keeps any part: whole writes, 512-byte sectors of them, a
length without its bytes. Only bytes that a write does not touch stay as they are.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.faults.trace import Act, Create, Moment, Rename, Resize, Said, Sync, Unlink, Write, volatile

SECTOR = 512
Kind = Literal["dropped", "kept", "torn"]
KINDS: tuple[Kind, ...] = ("dropped", "kept", "torn")


@dataclass(eq=False)
class _Change:
    """Bytes at a place (`data`), or a new length (None)."""

    at: int
    data: bytes | None
    ended: bool = False


@dataclass(eq=False)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list)

    def settle(self, covered: list[_Change]) -> None:
        """A sync has ended: these changes are durable."""
        taken = {id(change) for change in covered}
        for change in covered:
            _apply(self.durable, change)
        self.pending = [change for change in self.pending if id(change) not in taken]


@dataclass(eq=False)
class _Naming:
    """Names that stand for another file, or for none, from now on."""

    names: dict[str, "_File | None"]
    ended: bool = False


class Disk:
    """One folder's files as its process left them, and as a cut leaves them."""

    def __init__(self, durable: Mapping[str, bytes] | None = None) -> None:
        self._durable = {name: _File(bytearray(data)) for name, data in (durable or {}).items()}
        self._live: dict[str, _File] = dict(self._durable)
        self._naming: list[_Naming] = []
        self._begun: dict[int, Callable[[], None]] = {}  # what an act's end brings about

    def take(self, moment: Moment) -> None:
        """Let the next thing happen."""
        if moment.ends:
            self._begun.pop(id(moment.act))()
        else:
            self._begun[id(moment.act)] = self._begin(moment.act)

    def image(self, folder: Path, kind: Kind, chance: random.Random) -> None:
        """Write what a restart finds after a cut now."""
        names: dict[str, _File | None] = {**self._durable}
        for naming in self._naming:
            if kind == "kept" or (kind == "torn" and chance.random() < 0.5):
                names.update(naming.names)
        for name, file in names.items():
            if file is not None and not volatile(name):
                (folder / name).write_bytes(_content(file, kind, chance))

    def _begin(self, act: Act) -> Callable[[], None]:
        match act:
            case Write(name, offset, data):
                return self._change(name, _Change(offset, data))
            case Resize(name, size):
                return self._change(name, _Change(size, None))
            case Create(name):
                return self._name({} if name in self._live else {name: _File()})
            case Unlink(name):
                return self._name({name: None})
            case Rename(name, new):
                return self._name({name: None, new: self._live[name]})
            case Sync(""):
                covered = [naming for naming in self._naming if naming.ended]
                return lambda: self._settle_names(covered)
            case Sync(name):
                file = self._live[name]
                changes = [change for change in file.pending if change.ended]
                return lambda: file.settle(changes)
            case Said():
                return lambda: None

    def _change(self, name: str, change: _Change) -> Callable[[], None]:
        self._live[name].pending.append(change)

        def end() -> None:
            change.ended = True

        return end

    def _name(self, names: dict[str, _File | None]) -> Callable[[], None]:
        naming = _Naming(names)
        self._naming.append(naming)
        for name, file in names.items():
            _bind(self._live, name, file)

        def end() -> None:
            naming.ended = True

        return end

    def _settle_names(self, covered: list[_Naming]) -> None:
        for naming in covered:
            for name, file in naming.names.items():
                _bind(self._durable, name, file)
        self._naming = [naming for naming in self._naming if naming not in covered]


def _bind(names: dict[str, _File], name: str, file: _File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


def _content(file: _File, kind: Kind, chance: random.Random) -> bytes:
    """A file's bytes after a cut."""
    found = bytearray(file.durable)
    if kind == "kept":
        for change in file.pending:
            _apply(found, change)
    elif kind == "torn":
        for change in _survivors(file.pending, chance):
            _apply(found, change)
    return bytes(found)


def _survivors(pending: list[_Change], chance: random.Random) -> Iterator[_Change]:
    """What a torn cut keeps: either in order up to somewhere within a write, or sectors from anywhere."""
    in_order, lengthens = chance.random() < 0.5, chance.random() < 0.5
    stop, share = chance.randrange(len(pending) + 1), chance.choice((0.1, 0.5, 0.9))
    for number, change in enumerate(pending):
        if in_order and number > stop:
            return
        for piece in _pieces(change):
            if (in_order and number < stop) or chance.random() < share:
                yield piece
            elif lengthens and piece.data is not None:
                # The length went to the disk, the bytes did not: they read as zeros where there were none.
                yield _Change(piece.at + len(piece.data), b"")


def _pieces(change: _Change) -> Iterator[_Change]:
    """A change in parts that a disk writes or does not."""
    if change.data is None:
        yield change
        return
    at, end = change.at, change.at + len(change.data)
    while at < end:
        upto = min(end, (at // SECTOR + 1) * SECTOR)
        yield _Change(at, change.data[at - change.at : upto - change.at])
        at = upto


def _apply(content: bytearray, change: _Change) -> None:
    if change.data is None:
        del content[change.at :]
    if len(content) < change.at:
        content.extend(bytes(change.at - len(content)))
    if change.data:
        content[change.at : change.at + len(change.data)] = change.data
