"""Alerts: what a person must see. Raised once, cleared once; cleared ones are kept for a while.

The table is the same in journal.db (collect's) and in sync.db (sync's); each process writes its own.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import aiosqlite
import structlog

from edge.ports import Clock

log = structlog.get_logger()

TABLE = """
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    text TEXT NOT NULL,
    hint TEXT NOT NULL,
    raised_ms INTEGER NOT NULL,
    cleared_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX alerts_open ON alerts (key) WHERE cleared_ms IS NULL;
"""
_KEPT = 1000  # cleared ones; older are forgotten
_SHOWN = 200
RAISE = (
    "INSERT INTO alerts (key, text, hint, raised_ms) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (key) WHERE cleared_ms IS NULL DO NOTHING"
)
_RAISE_OR_REWORD = RAISE.replace("DO NOTHING", "DO UPDATE SET text = excluded.text, hint = excluded.hint")
_FORGET = "DELETE FROM alerts WHERE cleared_ms IS NOT NULL AND id <= (SELECT max(id) FROM alerts) - ?"
STANDING = "SELECT key, text, hint, raised_ms, cleared_ms FROM alerts WHERE cleared_ms IS NULL ORDER BY id"
CLEAR = "UPDATE alerts SET cleared_ms = ? WHERE key = ? AND cleared_ms IS NULL"


@dataclass(frozen=True)
class Alert:
    """Something a person must see; stands until `cleared_ms`."""

    key: str
    text: str
    hint: str
    raised_ms: int
    cleared_ms: int | None


async def stand(connection: aiosqlite.Connection, key: str, text: str, hint: str, at_ms: int) -> None:
    """Raise an alert within the caller's transaction; one that stands says from now on what is true now."""
    await connection.execute(_RAISE_OR_REWORD, (key, text, hint, at_ms))
    await connection.execute(_FORGET, (_KEPT,))


def listed(db: sqlite3.Connection) -> tuple[Alert, ...]:
    """Standing alerts and the last cleared ones, newest first; none where the file has no such table yet."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'alerts'").fetchone() is None:
        return ()
    rows = db.execute(
        "SELECT key, text, hint, raised_ms, cleared_ms FROM alerts"
        " ORDER BY cleared_ms IS NOT NULL, id DESC LIMIT ?",
        (_SHOWN,),
    )
    return tuple(Alert(*row) for row in rows)


def listed_since(db: sqlite3.Connection, since_ms: int) -> tuple[Alert, ...]:
    """Standing alerts, and all that were cleared at `since_ms` or later, oldest first."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'alerts'").fetchone() is None:
        return ()
    rows = db.execute(
        "SELECT key, text, hint, raised_ms, cleared_ms FROM alerts"
        " WHERE cleared_ms IS NULL OR cleared_ms >= ? ORDER BY id",
        (since_ms,),
    )
    return tuple(Alert(*row) for row in rows)


class Ledger(Protocol):
    """A file that keeps alerts: the journal."""

    async def note(self, sql: str, *values: object) -> None:
        """Run one statement as a transaction of its own. Raises sqlite3.Error."""

    async def standing(self) -> tuple[Alert, ...]: ...


class Alerts:
    """The alerts of collect. What cannot be written, the disk being full, stands all the same."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._standing: dict[str, Alert] = {}
        self._unwritten: dict[str, Alert] = {}
        self._turn = asyncio.Lock()
        self.heard: Callable[[Alert], None] | None = None  # told of each that is raised or cleared: a replay

    @property
    def standing(self) -> Mapping[str, Alert]:
        """By key, in the order in which they were raised."""
        return self._standing

    async def load(self) -> None:
        """Take up what stood when this file was last closed."""
        self._standing = {alert.key: alert for alert in await self._ledger.standing()}

    async def stand(self, key: str, text: str, hint: str) -> None:
        """Raise an alert; one that stands is left as it is."""
        if key in self._standing:
            return
        alert = Alert(key, text, hint, self._clock.now().wall_ms, None)
        log.warning("alert", key=key, text=text, hint=hint)
        self._standing[key] = self._unwritten[key] = alert
        self._tell(alert)
        await self._write()

    async def say(self, key: str, text: str, hint: str) -> None:
        """Raise an alert; one that stands says from now on what is true now."""
        held = self._standing.get(key)
        if held is None:
            await self.stand(key, text, hint)
        elif (held.text, held.hint) != (text, hint):
            self._standing[key] = self._unwritten[key] = replace(held, text=text, hint=hint)
            log.warning("alert", key=key, text=text, hint=hint)
            await self._write()

    async def clear(self, key: str) -> None:
        """Clear an alert, if it stands."""
        alert = self._standing.pop(key, None)
        if alert is None:
            return
        now_ms = self._clock.now().wall_ms
        log.info("alert cleared", key=key, text=alert.text)
        cleared = self._unwritten[key] = Alert(key, alert.text, alert.hint, alert.raised_ms, now_ms)
        self._tell(cleared)
        await self._write()

    def _tell(self, alert: Alert) -> None:
        if self.heard is not None:
            self.heard(alert)

    async def _write(self) -> None:
        """Write what was not written before."""
        async with self._turn:  # else two tasks would write one alert
            await self._write_in_turn()

    async def _write_in_turn(self) -> None:
        try:
            for key, alert in list(self._unwritten.items()):
                await self._ledger.note(_RAISE_OR_REWORD, key, alert.text, alert.hint, alert.raised_ms)
                if alert.cleared_ms is not None:
                    await self._ledger.note(CLEAR, alert.cleared_ms, key)
                    await self._ledger.note(_FORGET, _KEPT)
                if self._unwritten.get(key) is alert:
                    del self._unwritten[key]
        except sqlite3.Error as error:
            log.warning("alerts are kept in memory until they can be written", error=str(error))
