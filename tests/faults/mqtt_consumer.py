"""A child: the ERP's half of pulling, which dies by SIGKILL on both sides of a commit; or one that is unsafe.

`orderly` is what `lineside pull` runs, `hasty` acks before it commits, `forgetful` books whatever comes.
Run it as a module; it ends with 0 when there is no more to pull.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any

from edge.faults import UplinkFault
from edge.pulling.asking import Asking
from edge.pulling.follow import Books, Taken, follow
from edge.pulling.ledger import Ledger
from edge.pulling.line import Address

Events = Sequence[dict[str, Any]]


class Forgetful:
    """Books every page as if it were the first."""

    def __init__(self, database: str) -> None:
        self._db = sqlite3.connect(database)
        self._db.execute("CREATE TABLE IF NOT EXISTS lineside_events (id, sequence, subject)")

    def cursor(self) -> str | None:
        return None

    def take(self, events: Events, cursor: str) -> Taken:
        rows = [(event["id"], event["sequence"], event.get("subject")) for event in events]
        with self._db:
            self._db.executemany("INSERT INTO lineside_events VALUES (?, ?, ?)", rows)
        return Taken(len(rows))


class Mortal:
    """Books whose process is killed at its `at`-th page, before the commit or behind it; 0: it lives on."""

    def __init__(self, books: Books, at: int, behind: bool) -> None:
        self._books = books
        self._left = at
        self._behind = behind

    def cursor(self) -> str | None:
        return self._books.cursor()

    def take(self, events: Events, cursor: str) -> Taken:
        self._left -= 1
        self._die(not self._behind)
        taken = self._books.take(events, cursor)
        self._die(self._behind)
        return taken

    def _die(self, here: bool) -> None:
        if here and not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


def hasty(asking: Asking, books: Books, limit: int) -> None:
    """Ack first."""
    more = True
    while more:
        page = asking.ask("pull", {"limit": limit})
        asking.ask("ack", {"upto": page["next"]})
        books.take(page["events"], page["next"])
        more = page["more"]


def main(kind: str, asking: Asking, database: str, limit: int, dies_at: int, behind: bool) -> None:
    """One life."""
    kept: Books = Forgetful(database) if kind == "forgetful" else Ledger(f"sqlite:///{database}", "erp")
    books = Mortal(kept, dies_at, behind)
    with asking:
        if kind == "hasty":
            hasty(asking, books, limit)
        else:
            follow(asking, books, limit, once=True)


if __name__ == "__main__":
    kind, base, port, database, again_s, limit, dies_at, side = sys.argv[1:]
    address = Address("127.0.0.1", int(port), base, "erp", tls=False)
    try:
        main(kind, Asking(address, float(again_s)), database, int(limit), int(dies_at), side == "behind")
    except UplinkFault as fault:
        sys.exit(f"{fault}")
