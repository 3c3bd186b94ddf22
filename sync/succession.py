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
from edge.schema import identity
from sync.forgotten import begin
from sync.store import Cursor, Store

Start = Literal["oldest", "head"]
_log = structlog.get_logger("lineside.sync")
_TICK_S = 1.0
_YOUNG_TICKS = 5  # a journal that is just being made cannot be read yet


class Succession:
    """The current journal and those set aside beside it, in the order of writing. One task at a time."""

    def __init__(
        self,
        uplink: str,
        start: Start,
        store: Store,
        current: Path,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
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
        """The journal that holds what comes next, with the cursor in it."""
        now_ms = self._clock.now().wall_ms
        at = await placed(self._store, self._uplink, self._start, found, now_ms)
        index = next(index for index, one in enumerate(found) if one.epoch == at.epoch)
        if index == len(found) - 1 or at.seq < found[index].head:
            return found[index]
        following = found[index + 1]
        await self._store.begin(self._uplink, following.epoch, 0, now_ms)
        _log.info("a new epoch begins", uplink=self._uplink, before=str(at), epoch=following.epoch)
        return following


async def placed(store: Store, uplink: str, start: Start, found: Sequence[Epoch], now_ms: int) -> Cursor:
    """Where a receiver stands among the journals, oldest first; put into one where it is in none of them.

    `start`: where one that was never heard of begins. Raises StorageFault.
    """
    at = await store.cursor(uplink)
    if at is not None and any(one.epoch == at.epoch for one in found):
        return at
    first, last = found[0], found[-1]
    if at is None and start == "head":
        await store.begin(uplink, last.epoch, last.head, now_ms)
        return Cursor(last.epoch, last.head, last.head, "idle")
    if at is None or not at.epoch:  # without an epoch where sync.db was begun anew
        seq = await begin(store, uplink, first, now_ms, is_new=at is None)
        return Cursor(first.epoch, seq, seq, "idle")
    await store.raise_alert(
        f"uplink.{uplink}.epoch.{at.epoch}",
        f"{uplink}: epoch {at.epoch} is gone; its facts behind {at.seq} are not delivered",
        f"Put journal-{at.epoch}.db back into {last.path.parent}; else compare with the receiver",
        now_ms,
    )
    await store.begin(uplink, first.epoch, 0, now_ms)
    _log.warning("its journal is gone", uplink=uplink, before=str(at), epoch=first.epoch)
    return Cursor(first.epoch, 0, 0, "idle")
