"""Where pulled events go: two tables in any database that SQLAlchemy knows.

One transaction inserts a page and moves the cursor. Events that are there already are left as they are, so
that a page may come twice.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Index,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from edge.faults import StorageFault
from edge.pulling.follow import Taken

_TABLES = MetaData()
EVENTS = Table(
    "lineside_events",
    _TABLES,
    Column("id", String(64), primary_key=True),
    Column("source", String(200), nullable=False),
    Column("sequence", String(20), nullable=False),
    Column("type", String(100), nullable=False),
    Column("subject", String(200)),
    Column("time", String(40), nullable=False),
    Column("body", Text, nullable=False),  # the whole event
    Index("lineside_events_order", "source", "sequence"),
)
CURSORS = Table(
    "lineside_cursors",
    _TABLES,
    Column("consumer", String(64), primary_key=True),
    Column("cursor", String(64), nullable=False),
)


class Ledger:
    """The tables at a database's URL; made where they are missing. Raises StorageFault, as all of it does."""

    def __init__(self, url: str, consumer: str) -> None:
        self._consumer = consumer
        try:
            self._engine = create_engine(url)
            _TABLES.create_all(self._engine)
        except (SQLAlchemyError, ImportError) as error:
            raise _fault(error) from error

    def cursor(self) -> str | None:
        """What was taken last; None before the first page."""
        try:
            with self._engine.connect() as connection:
                return connection.execute(_cursor(self._consumer)).scalar_one_or_none()
        except SQLAlchemyError as error:
            raise _fault(error) from error

    def sources(self) -> dict[str, int]:
        """Every journal of which something is held, and through which seq; of the last one the cursor's."""
        query = select(EVENTS.c.source, func.max(EVENTS.c.sequence)).group_by(EVENTS.c.source)
        try:
            with self._engine.connect() as connection:
                found = {source: int(last) for source, last in connection.execute(query)}
        except SQLAlchemyError as error:
            raise _fault(error) from error
        epoch, _, through = (self.cursor() or "").partition(":")
        return {
            source: max(last, int(through)) if source.endswith(f":{epoch}") and through else last
            for source, last in found.items()
        }

    def figures(self, source: str, first: int, last: int) -> tuple[int, str]:
        """Count and digest of what is held of a range: SHA-256 over the ids in order, joined by newlines."""
        held = EVENTS.c.sequence.between(f"{first:020d}", f"{last:020d}")
        query = select(EVENTS.c.id).where(EVENTS.c.source == source, held).order_by(EVENTS.c.sequence)
        try:
            with self._engine.connect() as connection:
                ids = list(connection.execute(query).scalars())
        except SQLAlchemyError as error:
            raise _fault(error) from error
        return len(ids), hashlib.sha256("\n".join(ids).encode()).hexdigest()

    def take(self, events: Sequence[dict[str, Any]], cursor: str) -> Taken:
        """Insert what is new and move the cursor, in one transaction; everything is taken."""
        try:
            with self._engine.begin() as connection:
                fresh = _fresh(connection, events)
                if fresh:
                    connection.execute(insert(EVENTS), [_row(event) for event in fresh])
                _move(connection, self._consumer, cursor)
            return Taken(len(fresh))
        except SQLAlchemyError as error:
            raise _fault(error) from error


def _fresh(connection: Connection, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are not there yet, each once."""
    named = {event["id"]: event for event in events}
    held = set(connection.execute(select(EVENTS.c.id).where(EVENTS.c.id.in_(list(named)))).scalars())
    return [event for id_, event in named.items() if id_ not in held]


def _row(event: dict[str, Any]) -> dict[str, Any]:
    row = {key: event.get(key) for key in ("id", "source", "sequence", "type", "subject", "time")}
    return row | {"body": msgspec.json.encode(event).decode()}


def _cursor(consumer: str) -> Any:
    return select(CURSORS.c.cursor).where(CURSORS.c.consumer == consumer)


def _move(connection: Connection, consumer: str, cursor: str) -> None:
    moved = connection.execute(update(CURSORS).where(CURSORS.c.consumer == consumer).values(cursor=cursor))
    if not moved.rowcount:
        connection.execute(insert(CURSORS).values(consumer=consumer, cursor=cursor))


def _fault(error: Exception) -> StorageFault:
    text = str(error).splitlines()[0][:300]
    return StorageFault(
        f"the database cannot be used, nothing of this page was taken: {text}",
        hint="Check --database (an SQLAlchemy URL), its driver and its rights; the same page is pulled again",
    )
