"""What happens to the journal at start: is it ours, whole, here, and the newest? Else a new epoch begins.

Invariants: no number is ever used twice: whatever is doubtful is set aside and goes on under a new epoch,
whose first event says why and what is missing. Nothing is deleted: a sound journal is set aside whole, of a
damaged one what it proves, and the damaged files stay under a dated name. A power cut at any point of this
leaves a state from which the next start finishes it.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from edge import alerts, bygone, epochs, schema, wal
from edge.events import JournalOpened
from edge.faults import Damaged, ForeignFile, NewerFile, StorageFault
from edge.journal import Beginning, Journal, Reader, place
from edge.journal.form import META, identity_of, meta_of
from edge.lock import Left, Lock
from edge.ports import Clock
from edge.salvage import Proven, room, salvage, span
from edge.watermarks import MIB

Cause = Literal["new", "damaged", "restored", "renamed"]
# The state of the stations at the end of a journal; `posted`: receivers hold facts that it has lost.
StateOf = Callable[[Reader, bool], Awaitable[str]]


@dataclass(frozen=True)
class Doubt:
    """Why a journal is not gone on with."""

    cause: Cause
    why: str
    open_end: bool = False  # nobody knows how far it went on
    known: int = 0  # ... but so far it did


@dataclass(frozen=True)
class Notice:
    """What a person must see of an opening."""

    text: str
    hint: str
    key: str


@dataclass(frozen=True)
class Ground:
    """What decides whether a journal is gone on with."""

    path: Path
    site: str
    edge_id: str
    settled: Mapping[str, int]  # by epoch: the furthest that a receiver has settled
    forked: Mapping[str, int] = field(default_factory=dict)  # by epoch: from where it holds other facts
    replaces: bool = False  # this PC takes the place of one that is gone


async def opened(ground: Ground, clock: Clock, state_of: StateOf) -> tuple[Journal, Notice | None]:
    """The journal of this edge, gone on with or begun anew. Raises StorageFault."""
    path = ground.path
    lock = Lock(path)
    try:
        await asyncio.to_thread(_finish, path)
        left = lock.left
        doubt = await asyncio.to_thread(examined, ground, lock)
        notice = None
        if doubt is not None:
            notice = await _begin_anew(ground, doubt, left, clock, state_of)
    except (OSError, sqlite3.Error) as error:
        lock.release()
        raise schema.unusable(path, error) from error
    except BaseException:
        lock.release()
        raise
    return await Journal.open(path, ground.site, ground.edge_id, clock, lock=lock), notice


def examined(ground: Ground, lock: Lock) -> Doubt | None:
    """What speaks against going on with the journal; None where nothing does. Raises StorageFault."""
    path, left = ground.path, lock.left
    log = path.with_name(path.name + "-wal")
    if not path.exists():
        if _left_whole(path, left):
            return Doubt("restored", f"{path.name} was set aside, and nothing took its place")
        if log.exists() or left.epoch or epochs.set_aside(path):
            return Doubt("damaged", f"{path.name} is gone", open_end=True)
        return Doubt("restored", "it takes the place of another PC") if ground.replaces else None
    if schema.beheaded(path):
        return Doubt("damaged", f"{path.name} is empty", open_end=True)
    if left.suspect:
        return Doubt("damaged", left.suspect)
    try:
        return _asked(ground, lock, log)
    except (Damaged, ForeignFile, NewerFile) as fault:
        return Doubt("damaged", fault.message)


def _left_whole(path: Path, left: Left) -> epochs.Epoch | None:
    """The journal that was set aside whole, before another was to take its place."""
    aside = epochs.aside(path, left.epoch)
    if not left.epoch or left.open or not aside.exists():
        return None
    one = epochs.look(aside)
    return one if one and not one.missing and one.head >= left.head else None


def _asked(ground: Ground, lock: Lock, log: Path) -> Doubt | None:
    path, left, had_log = ground.path, lock.left, wal.begun(log)
    if wal.read(log).lost:  # looked at before SQLite opens it, which would forget what it cannot follow
        return Doubt("damaged", f"{log.name} is damaged", open_end=True)
    try:
        with _asking(path) as db:
            if schema.is_empty(db) and not left.epoch:
                return None  # a power cut ended its making
            if schema.is_empty(db):
                emptied = had_log or not path.stat().st_size  # the first page is there before any log
                why = f"{path.name} is empty" if emptied else f"{log.name} is gone, which held everything"
                return Doubt("damaged", why, open_end=True)
            schema.recognised(db, path)
            meta = meta_of(db.execute(META))
            head = db.execute("SELECT seq FROM events ORDER BY seq DESC LIMIT 1").fetchone()
            if "epoch" not in meta:
                return Doubt("damaged", f"{path.name} does not say whose it is") if head else None
            identity_of(meta)  # else it cannot be gone on with
            last = head[0] if head else 0
            if left.open and left.epoch == meta["epoch"] and not had_log:
                why = f"{log.name} is gone though the collector was not stopped"
                return Doubt("damaged", why, open_end=True)
            if left.epoch == meta["epoch"] and last < left.head:
                why = f"it ends at {last}, but held {left.head} when it was last used: it is an older copy"
                known = max(left.head, ground.settled.get(meta["epoch"], 0))
                return Doubt("restored", why, open_end=True, known=known)
            _empty_log(db, lambda: lock.note(Left(meta["epoch"], head=last)))
    except sqlite3.Error as error:
        raise schema.unusable(path, error) from error
    return _moved(ground, meta, last)


def _empty_log(db: sqlite3.Connection, note: Callable[[], None]) -> None:
    """An empty log for the next life: what a crash leaves in it is then that life's alone.

    `note` keeps its head and that nothing needs the log: the one must be durable before, the other be noted
    before the log is emptied. On a full disk it is gone on with as it is: pages that say so are worth more.
    """
    try:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        note()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        if schema.code_of(error) != sqlite3.SQLITE_FULL:
            raise


@contextmanager
def _asking(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that leaves the log in place when it is closed, whatever is found.

    SQLite removes a log with the last connection to it, unless that one may only read.
    """
    with (
        closing(sqlite3.connect(schema.read_only(path), uri=True, timeout=5)) as last,
        closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as db,
    ):
        db.execute(
            "PRAGMA application_id"
        ).fetchone()  # first: it applies what a power cut left of the making
        last.execute("PRAGMA application_id").fetchone()
        yield db


def _moved(ground: Ground, meta: Mapping[str, str], last: int) -> Doubt | None:
    settled = ground.settled.get(meta["epoch"], 0)
    if settled > last:
        why = f"it ends at {last}, but a receiver has settled through {settled}: it is an older copy"
        return Doubt("restored", why, open_end=True, known=settled)
    if seq := ground.forked.get(meta["epoch"]):
        why = f"a receiver holds other facts under its numbers, from {seq} on: it or another one is a copy"
        return Doubt("restored", why)
    if "backup" in meta:
        return Doubt("restored", f"it is a backup of {meta['backup']}", open_end=True)
    if meta.get("place", "") != place(ground.path):
        return Doubt("restored", "it was copied, or came from another machine", open_end=True)
    if (meta["site"], meta["edge"]) != (ground.site, ground.edge_id):
        return Doubt("renamed", f"it belongs to {meta['site']}:{meta['edge']}")
    return None


async def _begin_anew(ground: Ground, doubt: Doubt, left: Left, clock: Clock, state_of: StateOf) -> Notice:
    """Set aside what is there and begin a new journal that says so."""
    path = ground.path
    ordinal = 1 + max((one.ordinal for one in await asyncio.to_thread(_others, path)), default=0)
    kept = await asyncio.to_thread(_secured, ground, doubt, ordinal)
    follows = missing = state = last = None
    before = kept or await asyncio.to_thread(_left_whole, path, left)
    if before is not None:
        last, end = await asyncio.to_thread(_last, ground, before, doubt)
        missing = _missing(last, end)
        follows = f"{last.epoch}:{last.head}"
        lost = ground.settled.get(last.epoch, 0) > last.head or last.epoch in ground.forked
        posted = lost or (doubt.cause == "restored" and end.open_end)
        async with await Reader.open(last.path) as reader:
            state = await state_of(reader, posted)
    elif doubt.cause != "new":
        follows, missing = (f"{left.epoch}:0" if left.epoch else None), "1-"
    begin = Beginning(
        JournalOpened(cause=doubt.cause, follows=follows, missing=missing, state=state), ordinal + 1
    )
    fresh = _fresh(path)
    stood = await asyncio.to_thread(bygone.standing, path)
    await asyncio.to_thread(_remove, fresh)
    async with await Journal.open(
        fresh, ground.site, ground.edge_id, clock, lock=Lock(fresh), begin=begin
    ) as journal:
        epoch = journal.epoch
        for one in stood:
            await journal.note(alerts.RAISE, one.key, one.text, one.hint, one.raised_ms)
    dated = await asyncio.to_thread(_swap, path, kept, clock.now().wall_ms)
    return _notice(doubt, last, missing, dated, epoch)


def _last(ground: Ground, before: epochs.Epoch, doubt: Doubt) -> tuple[epochs.Epoch, Doubt]:
    """The journal that the new one follows, and what is doubtful about its end.

    Where a copy was put in the place of a journal that is set aside, the line has gone on from that one: the
    last of those written since is followed, and nothing of it is lost.
    """
    if not epochs.aside(ground.path, before.epoch).exists():
        return before, doubt
    aside = (one for one in _others(ground.path) if one.path == epochs.aside(ground.path, one.epoch))
    last = max(aside, key=lambda one: one.ordinal, default=before)
    if last.epoch == before.epoch and not _holds_more(last, before):
        return before, doubt
    with closing(sqlite3.connect(schema.read_only(last.path), uri=True, timeout=5)) as db:
        meta = meta_of(db.execute(META))
    whole = replace(doubt, open_end=False)
    if "missing" in meta:
        return last, whole  # taken out of a damaged one: it says itself what it lacks
    return last, _moved(replace(ground, path=last.path), meta, last.head) or whole


def _missing(last: epochs.Epoch, end: Doubt) -> str | None:
    """What is missing of a journal: "12-15,40", "301-" where nobody knows how far it went on."""
    gone = [last.missing] if last.missing else []
    if end.open_end and not last.missing.endswith("-"):
        if end.known > last.head:
            gone.append(span(last.head + 1, end.known))
        gone.append(f"{max(last.head, end.known) + 1}-")
    return ",".join(gone) or None


def _holds_more(held: epochs.Epoch | None, coming: epochs.Epoch) -> bool:
    """Whether a journal set aside stays where another file of its epoch comes."""
    return held is not None and (held.head, not held.missing) >= (coming.head, not coming.missing)


def _others(path: Path) -> list[epochs.Epoch]:
    """The journals that can be read."""
    found = []
    for other in path.parent.glob(f"{path.stem}*.db"):
        with suppress(StorageFault):
            if one := epochs.look(other):
                found.append(one)
    return found


def _secured(ground: Ground, doubt: Doubt, ordinal: int) -> epochs.Epoch | None:
    """The journal as it will be drained: itself, or what it proves; None where nothing is left of it."""
    path = ground.path
    if doubt.cause != "damaged":
        return epochs.look(path) if path.exists() else None
    target = path.with_name(path.name + ".proven")
    _remove(target)
    needed, free = room(path), shutil.disk_usage(path.parent).free
    if free < needed:
        raise StorageFault(
            f"{path} cannot be gone on with ({doubt.why}); to take out what it proves {needed / MIB:.0f} MiB"
            f" are needed on its disk, {free / MIB:.0f} MiB are free. It is kept as it is",
            hint="Free space on this disk: the collector is started again and then goes on by itself",
        )
    proven: Proven | None = salvage(path, target, doubt.open_end)
    if proven is None:
        return None
    with closing(sqlite3.connect(target, isolation_level=None)) as db:
        db.execute("INSERT OR REPLACE INTO meta VALUES ('ordinal', ?)", (str(ordinal),))
    return epochs.look(target)


def _fresh(path: Path) -> Path:
    """The new journal until it takes its place."""
    return path.with_name(path.name + ".fresh")


def _swap(path: Path, kept: epochs.Epoch | None, now_ms: int) -> Path | None:
    """Put the new journal where the old one is; where the damaged files went. Repeatable from any point."""
    dated = None
    if kept is not None and kept.path != path:  # what was proven of a damaged one
        into_place(kept.path, epochs.aside(path, kept.epoch), now_ms)
        kept = None
    if path.exists():
        if kept is not None:
            _checkpoint(path)
            into_place(path, epochs.aside(path, kept.epoch), now_ms)
        else:
            dated = schema.dated(path, now_ms)
            path.rename(dated)
    schema.move_log(path, dated or schema.dated(path, now_ms))
    _fresh(path).rename(path)
    _fresh(path).with_suffix(".lock").unlink(missing_ok=True)
    schema.sync_directory(path.parent)
    return dated


def put_aside(path: Path, lock: Lock) -> None:
    """Set a sound journal aside whole, so that another can take its place, and note that in its lock.

    Raises StorageFault; Damaged, where it is not sound and the next start is to take out what it proves.
    """
    left, log = lock.left, path.with_name(path.name + "-wal")
    if left.suspect or wal.read(log).lost:
        raise Damaged(left.suspect or f"{log.name} is damaged")
    now_ms = int(path.stat().st_mtime * 1000)
    had_log = wal.begun(log)
    kept = epochs.look(path)
    if kept is None or kept.epoch == left.epoch:
        if left.open and not had_log:
            raise Damaged(f"{log.name} is gone though the collector was not stopped")
        if left.head > (head := kept.head if kept else 0):
            raise Damaged(f"it ends at {head}, but held {left.head} when it was last used")
    try:
        if kept is None:
            path.rename(schema.dated(path, now_ms))
        else:
            with _asking(path) as db:
                _empty_log(db, lambda: lock.note(Left(kept.epoch, head=kept.head)))
            _checkpoint(path)
            into_place(path, epochs.aside(path, kept.epoch), now_ms)
        schema.move_log(path, schema.dated(path, now_ms))
    except (OSError, sqlite3.Error) as error:
        raise schema.unusable(path, error) from error


def into_place(path: Path, target: Path, now_ms: int) -> None:
    """Give a journal its name aside. One that has it already keeps it if it holds as much."""
    coming = epochs.look(path)
    try:
        held = epochs.look(target) if target.exists() else None
    except Damaged:
        held = None
        target.rename(schema.dated(target, now_ms))
    if coming is not None and _holds_more(held, coming):
        path.rename(schema.dated(target, now_ms, "copy"))
        return
    if held is not None:
        target.rename(schema.dated(target, now_ms, "copy"))
    path.rename(target)


def _finish(path: Path) -> None:
    """Finish what a power cut interrupted in `_swap`; else forget it: it will be done again."""
    fresh = _fresh(path)
    whole = fresh.exists() and not fresh.with_name(fresh.name + "-wal").exists() and epochs.look(fresh)
    if whole and not path.exists():
        schema.move_log(path, schema.dated(path, int(fresh.stat().st_mtime * 1000)))
        fresh.rename(path)
        schema.sync_directory(path.parent)
    _remove(fresh)


def _remove(fresh: Path) -> None:
    for name in (fresh.name, fresh.name + "-wal", fresh.name + "-shm"):
        fresh.with_name(name).unlink(missing_ok=True)
    fresh.with_suffix(".lock").unlink(missing_ok=True)


def _checkpoint(path: Path) -> None:
    """Bring everything into the file itself. Raises StorageFault."""
    try:
        with closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as db:
            busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise schema.unusable(path, error) from error
    if busy:
        raise StorageFault(
            f"{path} is being read and cannot be set aside yet", hint="Nothing to do: it is tried again"
        )


def _notice(
    doubt: Doubt, kept: epochs.Epoch | None, missing: str | None, dated: Path | None, epoch: str
) -> Notice:
    lost = f"; missing of it: {missing}" if missing else ""
    old = (
        "There is no old journal"
        if doubt.cause == "restored" and kept is None
        else "The journal was not gone on with"
    )
    text = f"{old}: {doubt.why}. A new one begins, epoch {epoch}"
    if kept is not None:
        text += f"; what {kept.epoch} holds, through {kept.head}, is delivered first{lost}"
    elif doubt.cause == "damaged":
        text += "; nothing of the old one could be read"
    hint = "`lineside events verify` shows all journals; reconciliation shows what receivers hold"
    if dated is not None:
        hint = f"Keep {dated.name}. {hint}"
    key = bygone.begun(epoch, lost=bool(missing), damaged=doubt.cause == "damaged")
    return Notice(text, hint, key)
