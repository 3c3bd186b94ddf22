"""How long the oldest event waits, whatever the clock does."""

import sqlite3
from decimal import Decimal
from pathlib import Path

from edge.events import WorkPaused
from edge.readings import Moment
from sync.status import Outbox, load_outbox
from tests.unit.sync.making import EPOCH, stored


def test_the_age_of_what_waits_is_time_since_boot_within_a_boot() -> None:
    in_1970 = Moment(90_000, 5_000, "boot-1", "unsynced", sound=False)
    outbox = Outbox(1, in_1970)
    assert outbox.age_ms(Moment(1_795_000_000_000, 65_000, "boot-1")) == 60_000
    assert outbox.age_ms(Moment(1_795_000_000_000, 7_000, "boot-2")) == 7_000, "at least since this boot"
    assert Outbox(0).age_ms(in_1970) == 0


def test_the_oldest_is_read_from_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fact = WorkPaused(reason="1", boot_id="boot-1", monotonic_s=Decimal("5.000"), posting_date="2026-11-22")
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE meta (key, value)")
        db.execute("INSERT INTO meta VALUES ('epoch', ?), ('site', 's'), ('edge', 'e')", (EPOCH,))
        db.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT)")
        rows = [(seq, body.decode()) for seq, body in stored(fact, fact)]
        db.executemany("INSERT INTO events VALUES (?, ?)", [*rows, (3, "no event")])
    db.close()
    found = load_outbox(path, EPOCH, 1)
    assert (found.events, found.oldest) == (2, Moment(1_795_334_400_000, 5_000, "boot-1"))
    assert load_outbox(path, EPOCH, 2) == Outbox(1)
