"""What a long backlog costs those who deliver it: CPU an event and memory, by how much waits.

`python -m tests.bench.backlog [events]`: the agent, in a process of its own, delivers the first ten thousand
facts from a journal that holds no more and from one that holds a million, in turns; then all of the million.
The journals are made by copying sealed facts under new ids, numbers and chains, for the agent's proof holds.
"""

import asyncio
import hashlib
import json
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import uvloop

from edge.events import chain_of
from edge.ids import uuid7
from tests.bench.drain import START_MS, by_agent, journal_of, receiving
from tests.bench.table import Row

EVENTS = 1_000_000
HEAD = 10_000
WARM = 500  # events of the head that are not counted: files and connections are opened for them
PATTERNS = 3_000
ROUNDS = 9
TARGET = 1.3
# A batch and its answer are half a megabyte in two or three forms. The control, which keeps what it reads,
# would hold a gigabyte.
MORE_MB = 8.0
_PLACE = re.compile(rb'(?<="id":")(.{36})(","recordedtime":".{24}","sequence":")(.{20})(?=","source":)')


def lengthen(journal: Path, events: int) -> None:
    """Have a journal hold so many events, by copies of its last ones; some 18 µs of CPU each."""
    with closing(sqlite3.connect(journal)) as db:
        db.execute("PRAGMA synchronous = OFF")
        patterns, seq, chain = _patterns(db)
        while seq < events:
            rows = list(_copies(patterns, seq, min(events - seq, 10_000), chain))
            db.executemany("INSERT INTO events VALUES (?, CAST(? AS TEXT))", rows)
            db.commit()
            seq, chain = rows[-1][0], chain_of(rows[-1][1]).encode()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _patterns(db: sqlite3.Connection) -> tuple[list[list[bytes]], int, bytes]:
    """Facts cut at what is each one's own, the last seq and its chain."""
    found = db.execute(
        "SELECT seq, CAST(body AS BLOB) FROM events WHERE seq > 1 ORDER BY seq DESC LIMIT ?", (PATTERNS,)
    ).fetchall()
    seq, last = found[0]
    rest = len(b'{"chain":"","') - 1 + 64  # behind the chain
    cut = [_PLACE.split(body[rest:]) for _, body in reversed(found)]
    assert all(len(parts) == 5 for parts in cut)
    return cut, seq, chain_of(last).encode()


def _copies(
    patterns: Sequence[Sequence[bytes]], seq: int, count: int, chain: bytes
) -> Iterator[tuple[int, bytes]]:
    """(seq, stored form) of so many facts behind `seq`."""
    for number in range(seq + 1, seq + count + 1):
        before, _, between, _, behind = patterns[number % len(patterns)]
        id_ = uuid7(START_MS + number, number).encode()
        rest = b"%b%b%b%020d%b" % (before, id_, between, number, behind)
        chain = hashlib.sha256(b"%b{%b" % (chain, rest)).hexdigest().encode()
        yield number, b'{"chain":"%b",%b' % (chain, rest)


async def deliver(journal: Path, folder: Path, url: str, through: int) -> tuple[float, float]:
    """µs of CPU an event, through event `through`, and the most memory that this process held, MB."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        begun, ended = await by_agent(journal, Path(own) / "sync.db", url, WARM, through)
    return (ended - begun) / (through - WARM) * 1e6, _peak_mb()


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(folder: Path, events: int = EVENTS) -> list[Row]:
    """The head of a long backlog against a short one, and all of it."""
    with tempfile.TemporaryDirectory(dir=folder) as name, receiving() as url:
        short, long = (Path(name) / f"{one}" / "journal.db" for one in ("short", "long"))
        for journal, size in ((short, HEAD), (long, events)):
            journal.parent.mkdir()
            asyncio.run(journal_of(journal, PATTERNS))
            lengthen(journal, size)
        found = [(_process(short, url, HEAD), _process(long, url, HEAD)) for _ in range(ROUNDS + 1)][1:]
        whole_us, whole_mb = _process(long, url, events)
    (short_us, short_mb), (long_us, long_mb) = (
        [statistics.median(one) for one in zip(*side, strict=True)] for side in zip(*found, strict=True)
    )
    ratio = statistics.median(ours[0] / theirs[0] for theirs, ours in found)
    return [
        Row(
            f"delivery while {events:,} events wait, the first {HEAD:,}",
            f"{long_us:.1f} µs CPU each, {long_mb:.1f} MB",
            f"while {HEAD:,} wait: {short_us:.1f} µs, {short_mb:.1f} MB",
            ratio,
            f"≤ {TARGET}",
            ratio <= TARGET,
        ),
        Row(
            "the same to the end of the backlog",
            f"{whole_us:.1f} µs CPU each, {whole_mb:.1f} MB",
            f"the first {HEAD:,}: {long_mb:.1f} MB",
            whole_mb / long_mb,
            f"≤ {MORE_MB:g} MB more",
            whole_mb - long_mb <= MORE_MB,
        ),
    ]


def _process(journal: Path, url: str, through: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "tests.bench.backlog", str(journal), url, str(through)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    used_us, peak_mb = json.loads(said)
    return used_us, peak_mb


if __name__ == "__main__":
    if len(sys.argv) == 4:
        path = Path(sys.argv[1])
        print(json.dumps(uvloop.run(deliver(path, path.parent, sys.argv[2], int(sys.argv[3])))))
    else:
        for row in measure(Path.cwd(), int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS):
            print(row)
