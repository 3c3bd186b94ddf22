"""Copies of the data folder: taken while the line runs, and put back.

A backup's journal is marked inside. Whoever opens it, here or on another machine, once or twice, begins an
epoch of its own: its numbers are never used again. What was recorded after the backup is not in it; the first
event of the new epoch says so, and receivers that hold more are not contradicted.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edge import epochs, schema
from edge.faults import Damaged, StorageFault
from edge.lock import Left, Lock
from edge.masterdata.store import MASTERDATA, delivered_ms, move_away
from edge.opening import into_place, put_aside

MANIFEST = "backup.json"
_CHUNK = 1 << 20


class Copied(msgspec.Struct, frozen=True):
    """A file of a backup."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds."""

    made: str  # RFC 3339, UTC
    site: str
    edge: str
    epoch: str
    head: int  # the last seq of the current journal in it
    files: tuple[Copied, ...]


def back_up(
    journal: Path, store: Path, target: Path, tell: Callable[[str], None] = lambda name: None
) -> Manifest:
    """Copy journals, sync's file and master data into the new folder `target`. Raises StorageFault.

    Others may write meanwhile: each file is copied as it was at one moment. Scans do not wait. Master data
    that is damaged is left out: sync sets it aside and fetches it anew.
    """
    if os.path.lexists(target):
        raise StorageFault(
            f"{target} exists and was left as it is", hint="Name a folder that is not there yet"
        )
    if not schema.is_folder(parent := target.absolute().parent):
        found = "is no folder" if os.path.lexists(parent) else "is not there"
        raise StorageFault(
            f"{parent} {found}. There is no backup",
            hint="Mount the disk that it is on, or make that folder first",
        )
    current = epochs.look(journal) if journal.exists() else None
    if current is None:
        raise StorageFault(f"{journal} is not there: nothing to back up", hint="Check edge.data_dir")
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    part, path = target.with_name(target.name + ".part"), target
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o750)
        # Sync's file first: a cursor of it never stands behind the end of a journal copied later.
        for path in (store, *(one.path for one in epochs.listed(journal))):
            if path.exists():
                tell(path.name)
                _copy(path, part / path.name)
        masterdata = journal.with_name(MASTERDATA)
        if masterdata.is_file():
            tell(masterdata.name)
            _copy_sound(masterdata, part / masterdata.name)
        with closing(sqlite3.connect(part / journal.name)) as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('backup', ?)", (made,))
            db.commit()
        copied = epochs.look(part / journal.name)
        assert copied is not None  # it held events when it was looked at
        site, edge = copied.source.split(":")[2:4]
        files = tuple(
            Copied(path.name, path.stat().st_size, _digest(path)) for path in sorted(part.iterdir())
        )
        manifest = Manifest(made, site, edge, copied.epoch, copied.head, files)
        (part / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        for path in part.iterdir():
            _sync(path)
        part.rename(target)
        schema.sync_directory(target.parent)
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        shutil.rmtree(part, ignore_errors=True)
        if _is_damage(path, error):
            raise Damaged(
                f"{path} is damaged and cannot be copied: {error}. There is no backup",
                hint="Restart lineside: it sets the file aside and keeps it. Then take the backup again;"
                " `lineside events verify` shows what can be read of a journal",
            ) from error
        raise StorageFault(
            f"{target} could not be written: {_reason(error)}. There is no backup",
            hint="Check its disk and rights; the running line was not touched",
        ) from error
    return manifest


def put_back(folder: Path, journal: Path, store: Path, lock: Lock) -> Manifest:
    """Put a backup into the data folder of a line that is stopped, under its `lock`. Raises StorageFault.

    A journal that is there is set aside and delivered first; a sync.db that is there stays: it knows more.
    Of master data what was delivered last is kept. Whatever ends this, the journals that were there are.
    """
    manifest = checked(folder)
    staged = _staged(folder, manifest, journal, store)
    try:
        if journal.exists():
            put_aside(journal, lock)
    except StorageFault as fault:
        _unstage(staged)
        hint = fault.hint
        if isinstance(fault, Damaged):
            hint = "Start lineside once: it keeps and delivers what is proven. Restore then, if need be"
        raise StorageFault(
            f"{journal} was left as it is. Nothing was put back: {fault.message}", hint=hint
        ) from fault
    try:
        for target, part in staged.items():
            now_ms = int(part.stat().st_mtime * 1000)
            if target.name == MASTERDATA:  # an older one's log must never meet it
                if target.is_dir():
                    move_away(target)
                target.with_name(f"{MASTERDATA}-wal").unlink(missing_ok=True)
            if target in (store, journal) or target.name == MASTERDATA:
                part.rename(target)
            else:
                into_place(part, target, now_ms)
        schema.sync_directory(journal.parent)
        lock.note(Left())  # how the one before was left says nothing of this one
    except OSError as error:
        raise StorageFault(
            f"{folder} could not be put back: {_reason(error)}. Nothing is lost, but it is not complete",
            hint=f"Check the disk of {journal.parent}, then restore again before lineside is started",
        ) from error
    return manifest


def _staged(folder: Path, manifest: Manifest, journal: Path, store: Path) -> dict[Path, Path]:
    """What is to come into the data folder, by its place there: on its disk already. Raises StorageFault."""
    staged: dict[Path, Path] = {}
    try:
        for path in _wanted(folder, manifest, journal, store):
            part = journal.with_name(path.name + ".part")
            staged[journal.with_name(path.name)] = part
            shutil.copyfile(path, part)
            _sync(part)
    except (OSError, StorageFault) as error:
        _unstage(staged)
        if isinstance(error, StorageFault):
            raise
        raise StorageFault(
            f"{folder} could not be put back: {_reason(error)}. Nothing was put back",
            hint=f"Check the disk of {journal.parent}, also its room; then restore again",
        ) from error
    return staged


def _unstage(staged: Mapping[Path, Path]) -> None:
    for part in staged.values():
        part.unlink(missing_ok=True)


def checked(folder: Path) -> Manifest:
    """What the backup holds, once every file is as it was written. Raises StorageFault."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        wrong = [
            one.name
            for one in manifest.files
            if Path(one.name).name != one.name
            or not (folder / one.name).is_file()
            or _digest(folder / one.name) != one.sha256
        ]
    except (OSError, msgspec.DecodeError) as error:
        raise StorageFault(
            f"{folder} is no backup of lineside: {MANIFEST}: {_reason(error)}. Nothing was put back",
            hint="Name the folder that `lineside backup` wrote",
        ) from error
    if wrong:
        raise StorageFault(
            f"{folder} is not as it was written: {', '.join(wrong)}. Nothing was put back",
            hint="Use another backup; or copy the files by hand: the next start keeps what they prove",
        )
    return manifest


def _wanted(folder: Path, manifest: Manifest, journal: Path, store: Path) -> Iterator[Path]:
    """What goes into the data folder; the current journal last, for without it nothing begins."""
    heads: dict[str, int] = {}  # of the journals there, by their names once all of them are set aside
    for one in epochs.survey(journal)[0]:
        name = epochs.aside(journal, one.epoch).name
        heads[name] = max(one.head, heads.get(name, 0))
    names = [one.name for one in manifest.files]
    for name in (*(name for name in names if name != journal.name), journal.name):
        if name == journal.name:
            wanted = True
        elif name == store.name:
            wanted = not store.exists()
        elif name == MASTERDATA:
            wanted = delivered_ms(folder / name) > delivered_ms(journal.with_name(name))
        else:
            coming = epochs.look(folder / name)
            wanted = coming is None or heads.get(name, 0) < coming.head
        if wanted:
            yield folder / name


def _copy(path: Path, target: Path) -> None:
    with closing(sqlite3.connect(schema.read_only(path), uri=True, timeout=30)) as db:
        db.execute("VACUUM INTO ?", (str(target),))


def _copy_sound(path: Path, target: Path) -> None:
    try:
        _copy(path, target)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if not _is_damage(path, error):
            raise
        target.unlink(missing_ok=True)


def _is_damage(path: Path, error: Exception) -> bool:
    """Whether it is the file that is to be copied. A constraint: it holds what it would never have let in."""
    return isinstance(error, sqlite3.IntegrityError) or isinstance(schema.unusable(path, error), Damaged)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
