"""A small real disk: an ext4 file system in a file, mounted by loop, that a test fills to the last block."""

import asyncio
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.storage import measured
from edge.watermarks import MIB

_FILLER = "filler"


class Disk:
    """A mounted file system; what fills it is one file of somebody else's."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount
        self._filler = mount / _FILLER

    @property
    def share(self) -> float:
        return measured(self.mount).share

    def fill_to(self, share: float) -> None:
        """Let the filler grow or shrink until so much of the disk is used."""
        usage = measured(self.mount)
        held = self._filler.stat().st_blocks * 512 if self._filler.exists() else 0
        self._hold(held + round(share * usage.total) - usage.used)

    def fill_up(self) -> None:
        """Take every block that is left, also those that come free meanwhile."""
        step = 4 * MIB
        while step >= 4096:
            held = self._filler.stat().st_size if self._filler.exists() else 0
            try:
                self._hold(held + step)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                # What was allocated before it failed is kept; the size says nothing of it.
                step //= 2

    async def keep_full(self) -> None:
        """Until cancelled, as a log that writes on and on."""
        while True:
            filled = asyncio.create_task(asyncio.to_thread(self.fill_up), name="filling")
            try:
                await asyncio.shield(filled)
            except asyncio.CancelledError:
                await filled  # a thread goes on: what is freed next would be taken again
                raise
            await asyncio.sleep(0.05)

    def free(self) -> None:
        """The filler goes."""
        self._filler.unlink(missing_ok=True)
        os.sync()  # ext4 gives blocks back at its journal's commit

    def _hold(self, size: int) -> None:
        handle = os.open(self._filler, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if size < os.fstat(handle).st_size:
                os.ftruncate(handle, max(0, size))
            else:
                os.posix_fallocate(handle, 0, max(1, size))
        finally:
            os.close(handle)


@contextmanager
def mounted(folder: Path, mount: Path, mib: int) -> Iterator[Disk]:
    """An ext4 file system of so many MiB at `mount`; skips where none may be mounted."""
    for tool in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(tool) is None:
            pytest.skip(f"a disk to fill needs {tool}")
    if os.geteuid() != 0:
        pytest.skip("a disk to fill needs root: it is mounted")
    image = folder / "disk.img"
    with image.open("wb") as made:
        made.truncate(mib * MIB)
    # No blocks kept for root: the tests run as root, the collector on a site does not.
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True, capture_output=True)
    mount.mkdir()
    done = subprocess.run(["mount", "-o", "loop", image, mount], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a disk to fill cannot be mounted here: {done.stderr.strip()}")
    try:
        yield Disk(mount)
    finally:
        # Lazily: a child that a failed test left behind must not keep it for ever.
        subprocess.run(["umount", "-l", mount], check=True)
