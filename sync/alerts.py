"""Alerts in sync.db: raised once, cleared once. These run inside a transaction of the store."""

import aiosqlite

_KEPT = 1000  # cleared ones; older are forgotten
CLEAR = "UPDATE alerts SET cleared_ms = ? WHERE key = ? AND cleared_ms IS NULL"


async def stand(connection: aiosqlite.Connection, key: str, text: str, hint: str, at_ms: int) -> None:
    """Raise an alert; one that stands is left as it is."""
    await connection.execute(
        "INSERT INTO alerts (key, text, hint, raised_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (key) WHERE cleared_ms IS NULL DO NOTHING",
        (key, text, hint, at_ms),
    )
    await connection.execute(
        "DELETE FROM alerts WHERE cleared_ms IS NOT NULL AND id <= (SELECT max(id) FROM alerts) - ?",
        (_KEPT,),
    )
