"""Which journal an uplink delivers: the one that its cursor stands in, and at its end the one behind it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal

import structlog

from edge import epochs
from edge.epochs import Epoch
from edge.faults import StorageFault
from edge.ports import Clock
from sync.forgotten import begin
from sync.store import Store

_log = structlog.get_logger("lineside.sync")
_TICK_S = 1.0
_YOUNG_TICKS = 5  # a journal that is just being made cannot be read yet


class Succession:
    """The current journal and those set aside beside it, in the order of writing. One task at a time."""

    def __init__(
        self,
        uplink: str,
        start: Literal["oldest", "head"],
        store: Store,
        current: Path,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`start`: where an uplink that was never heard of begins."""
        self.sealed = False  # the journal that was chosen is set aside: nothing comes behind its end
        self._uplink = uplink
        self._start = start
        self._store = store
        self._current = current
        self._clock = clock
        self._sleep = sleep
        self._file: tuple[int, int] | None = None  # of the current journal when one was chosen

    @property
    def replaced(self) -> bool:
        """Whether another file is the current journal since one was chosen."""
        return identity(self._current) not in (self._file, None)

    async def next(self) -> Epoch:
        """The journal to deliver now; waits until there is one, and says so once. Raises StorageFault."""
        said, young = False, _YOUNG_TICKS
        while True:
            self._file = identity(self._current)
            try:
                found = await asyncio.to_thread(epochs.listed, self._current)
            except StorageFault:
                if (young := young - 1) < 0:
                    raise
                found = []
            if found and found[-1].path == self._current:
                journal = await self._chosen(found)
                self.sealed = journal.path != self._current
                return journal
            if not said and not found:
                _log.info("waiting for the journal", uplink=self._uplink, path=str(self._current))
                said = True
            await self._sleep(_TICK_S)

    async def _chosen(self, found: Sequence[Epoch]) -> Epoch:
        """Put the cursor into the journal that holds what comes next, where it is not there yet."""
        at, now_ms = await self._store.cursor(self._uplink), self._clock.now().wall_ms
        if at is None or not at.epoch:  # without an epoch where sync.db was begun anew
            at_head = at is None and self._start == "head"
            first = found[-1] if at_head else found[0]
            if at_head:
                await self._store.begin(self._uplink, first.epoch, first.head, now_ms)
            else:
                await begin(self._store, self._uplink, first, now_ms, is_new=at is None)
            return first
        index = next((index for index, one in enumerate(found) if one.epoch == at.epoch), None)
        if index is None:
            await self._store.raise_alert(
                f"uplink.{self._uplink}.epoch.{at.epoch}",
                f"{self._uplink}: epoch {at.epoch} is gone; its facts behind {at.seq} are not delivered",
                f"Put journal-{at.epoch}.db back into {self._current.parent}; else compare with the receiver",
                now_ms,
            )
        elif index == len(found) - 1 or at.seq < found[index].head:
            return found[index]
        following = found[0] if index is None else found[index + 1]
        await self._store.begin(self._uplink, following.epoch, 0, now_ms)
        _log.info("a new epoch begins", uplink=self._uplink, before=str(at), epoch=following.epoch)
        return following


def identity(path: Path) -> tuple[int, int] | None:
    """Which file stands at a path now."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
