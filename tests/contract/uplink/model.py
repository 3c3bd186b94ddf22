"""What the journals of an edge must hold, in lists and dicts; and their files, as a disk has them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edge.events import decode
from edge.journal import Reader, verify
from tests.contract.uplink.postings import Number


@dataclass
class Book:
    """What one journal holds."""

    held: dict[int, str] = field(default_factory=dict)  # seq: id
    pruned: int = 0  # what lies before was forgotten in order
    lacks: bool = False  # it was taken out of a damaged file

    @property
    def head(self) -> int:
        return max(self.held)

    def problems(self) -> tuple[str, ...]:
        """What a verification says: the holes, and nothing else."""
        expected, found = max(1, self.pruned), []
        for seq in sorted(self.held):
            if seq != expected:
                found.append(f"seq {expected} to {seq - 1} are missing")
            expected = seq + 1
        return tuple(found)


@dataclass
class Model:
    """All that was acknowledged, and what each journal holds of it."""

    books: dict[str, Book] = field(default_factory=dict)  # by epoch, oldest first; the last is current
    began: list[str] = field(default_factory=list)  # every epoch that ever was, in order
    numbers: dict[Number, str] = field(default_factory=dict)  # all that was ever acknowledged
    gone: set[str] = field(default_factory=set)  # ids that damage or a lost disk destroyed, ever

    @property
    def epoch(self) -> str:
        return next(reversed(self.books))

    @property
    def book(self) -> Book:
        return self.books[self.epoch]

    def begin(self, epoch: str, id_: str) -> None:
        assert epoch not in self.began
        self.began.append(epoch)
        self.books[epoch] = Book()
        self.record(1, id_)

    def record(self, seq: int, id_: str) -> None:
        assert (self.epoch, seq) not in self.numbers
        assert id_ not in self.numbers.values()
        assert seq == (self.book.head + 1 if self.book.held else 1)
        self.numbers[self.epoch, seq] = self.book.held[seq] = id_


@dataclass(frozen=True)
class Expected:
    """How the next start is to find the journal."""

    cause: str
    follows: str
    missing: str | None


async def read(path: Path) -> tuple[list[tuple[int, str]], tuple[str, ...]]:
    async with await Reader.open(path) as reader:
        rows = await reader.read_after(0, 100_000)
        return [(seq, decode(body).id) for seq, body in rows], (await verify(reader)).problems


def taken(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The files as they are at this moment."""
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


def spoiled_id(id_: str, _: str) -> tuple[bytes, bytes]:
    return f'"id":"{id_}"'.encode(), f'"id":"{id_[::-1]}"'.encode()


def spoiled_chain(_: str, chain: str) -> tuple[bytes, bytes]:
    return f'"chain":"{chain}"'.encode(), f'"chain":"{chain[::-1]}"'.encode()


def laid(folder: Path, files: dict[str, bytes]) -> None:
    """Put files there; one that is there keeps its inode."""
    for name, held in files.items():
        with (folder / name).open("r+b" if (folder / name).exists() else "wb") as file:
            file.truncate(0)
            file.write(held)
