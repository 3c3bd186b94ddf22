"""One writer a file, and how the last one left it: journal.lock, and sync.lock beside sync.db.

The file holds a few bytes of JSON beside the lock itself. `open` without a WAL beside the journal, or with
one that holds nothing, means that the WAL was lost: it is noted once a fact was committed and taken back
before the WAL is emptied, and SQLite removes the WAL only in an orderly end. `suspect` says that damage was
met while running, so that the next start looks at every event before it goes on.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import Self

import msgspec

from edge import schema
from edge.faults import StorageFault

_SECTOR = 512  # bytes that a disk writes whole or not at all


class Left(msgspec.Struct, frozen=True):
    """How the writer left its file."""

    epoch: str = ""  # of a journal
    open: bool = False  # facts were written, and their writer did not end in order; sync.db: it was made
    head: int = 0  # it held at least through this seq
    suspect: str = ""  # what was wrong with it, in words


class Lock:
    """Held from construction to `release`. Raises StorageFault where another process has it."""

    def __init__(self, file: Path, writer: str = "collector") -> None:
        path = file.with_suffix(".lock")
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise _refused(path, error) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise StorageFault(
                f"{file} is in use by another lineside {writer}. Nothing was changed",
                hint="Stop that one first",
            ) from None

    @property
    def left(self) -> Left:
        """What was noted last; nothing where the note cannot be read."""
        return _read(os.pread(self._handle, 4096, 0))

    def note(self, left: Left) -> None:
        """Keep this over a power cut. Raises OSError."""
        while len(text := msgspec.json.encode(left)) > _SECTOR:
            left = msgspec.structs.replace(left, suspect=left.suspect[: len(left.suspect) // 2])
        # Always the same length: a torn write leaves the old note or the new one.
        os.pwrite(self._handle, text.ljust(_SECTOR), 0)
        os.fsync(self._handle)

    def release(self) -> None:
        """Let another process have it; once more is harmless."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _refused(path: Path, error: OSError) -> StorageFault:
    if error.errno in (errno.EISDIR, errno.EROFS):
        return schema.unusable(path, error)
    barred = error.errno in (errno.EACCES, errno.EPERM)
    hint = (
        "This user may not write it: give the folder with all in it to the one that lineside runs as,"
        f" chown -R lineside {path.parent}"
        if barred
        else f"Check that {path.parent} exists and that this user may write there"
    )
    return StorageFault(f"{path} cannot be opened: {error.strerror}", hint=hint)


def left_by(file: Path) -> Left:
    """What the last writer noted, for one who holds the lock elsewhere. Raises OSError."""
    path = file.with_suffix(".lock")
    return _read(path.read_bytes()) if path.exists() else Left()


def _read(note: bytes) -> Left:
    try:
        return msgspec.json.decode(note.rstrip(b"\0 \n"), type=Left)
    except msgspec.DecodeError:
        return Left()
