"""One writer a file, and how the last one left it: journal.lock, and sync.lock beside sync.db.

The file holds a few bytes of JSON beside the lock itself. `open` without a WAL beside the journal, or with
one that holds nothing, means that the WAL was lost: it is noted once a fact was committed and taken back
before the WAL is emptied, and SQLite removes the WAL only in an orderly end. `suspect` says that damage was
met while running, so that the next start looks at every event before it goes on.

Whether a writer is at work can be asked by others: it then holds a second lock, of the kind that can be
looked at without taking it (F_OFD_GETLK, fcntl(2)): who looks is never in the way of one who starts.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Self

import msgspec

from edge import schema
from edge.faults import StorageFault

_SECTOR = 512  # bytes that a disk writes whole or not at all
_FLOCK = "hhqqi0q"  # struct flock: type, whence, start, length (0: to the end), pid


class Left(msgspec.Struct, frozen=True):
    """How the writer left its file."""

    epoch: str = ""  # of a journal
    open: bool = False  # facts were written, and their writer did not end in order; sync.db: it was made
    head: int = 0  # it held at least through this seq
    suspect: str = ""  # what was wrong with it, in words


def at_work(file: Path) -> bool:
    """Whether the writer of `file` is at work, in whatever process. Takes nothing. Raises StorageFault."""
    path = file.with_suffix(".lock")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageFault(
            f"{path} cannot be read: {error.strerror}",
            hint=f"Run this as the user lineside, or give it back to that user: chown lineside {path}",
        ) from error
    try:
        found = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, _whole(fcntl.F_WRLCK))
    finally:
        os.close(handle)
    return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)


def _whole(kind: int) -> bytes:
    """A lock on the whole file."""
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)


def left_by(file: Path) -> Left:
    """How the writer of a file left it, or began to write, for whoever only looks. Raises StorageFault."""
    try:
        return _read(file.with_suffix(".lock").read_bytes())
    except FileNotFoundError:
        return Left()
    except OSError as error:
        raise schema.unusable(file, error) from error


def _read(note: bytes) -> Left:
    try:
        return msgspec.json.decode(note.rstrip(b"\0 \n"), type=Left)
    except msgspec.DecodeError:
        return Left()


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

    def show(self) -> None:
        """Let others see that the writer is at work, until `release`. Raises OSError."""
        fcntl.fcntl(self._handle, fcntl.F_OFD_SETLK, _whole(fcntl.F_WRLCK))

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
