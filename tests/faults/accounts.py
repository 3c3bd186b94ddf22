"""A line that loses files or gets others: what was acknowledged, where it stood, and what became of it.

Each fact is known by itself: the operator takes 0.000001, 0.000002, ... kg of a lot. What the ERP does not
hold must be among what the next journal declares missing; nothing is there twice, nothing is refused.
"""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal

from edge import epochs
from edge.events import Event, JournalOpened, MaterialConsumed, decode
from sync.status import load_outbox, load_status
from tests.faults.table import Row
from tests.line.plant import Line, invoke, until
from tests.patience import PATIENCE_S

ORDER = "10045678"
STEP = Decimal("0.000001")
Place = tuple[str, int]


@dataclass
class Numbers:
    """Quantities that no two operators share."""

    last: int = 0

    def next(self) -> int:
        self.last += 1
        return self.last


@dataclass
class Account:
    """What one line's operator did and heard."""

    floor: Line
    numbers: Numbers = field(default_factory=Numbers)
    acknowledged: list[int] = field(default_factory=list)
    places: dict[int, Place] = field(default_factory=dict)  # epoch and seq of what was acknowledged

    async def start(self) -> None:
        """Start what does not run, again where it ends, until the gun is open and the orders are known."""
        for _ in range(6):
            for name in ("collect", "sync"):
                if name not in self.floor.children or self.floor.children[name].code is not None:
                    await self.floor.start(name)
            await until(lambda: self.ready or self.ended, "the gun being opened, and master data")
            if not self.ended:
                return
        raise AssertionError("it does not stay up")

    @property
    def ended(self) -> bool:
        """Whether a process ended by itself."""
        return any(child.code is not None for child in self.floor.children.values())

    @property
    def ready(self) -> bool:
        """Whether the operator can go on."""
        return self.floor.hears and "master data taken up" in self.floor.children["collect"].log

    async def begin(self) -> None:
        """Sign on and open the order."""
        await self.floor.sign_on()
        await self.floor.scans(f"LSW{ORDER}")

    async def take(self, times: int) -> None:
        """Take material so many times; each is to be acknowledged."""
        for _ in range(times):
            number = self.numbers.next()
            for text in ("LSL A2207", f"LSQ{number // 10**6}D{number % 10**6:06d}"):
                self.floor.gun.heard = b""
                await self.floor.gun.scan(text)
                assert await self.floor.gun.verdict(PATIENCE_S) == "good", (text, await self.floor.screen())
            self.acknowledged.append(number)

    def note(self) -> None:
        """Look up where everything stands, before it is damaged. The files are looked at as copies."""
        for epoch, event in self.read():
            if isinstance(event.data, MaterialConsumed):
                self.places[int(event.data.quantity / STEP)] = (epoch, event.seq)
        assert set(self.acknowledged) <= set(self.places)

    def read(self) -> list[tuple[str, Event]]:
        """Everything in all journals of the folder."""
        look = self.floor.folder / "look"
        shutil.rmtree(look, ignore_errors=True)
        look.mkdir()
        for path in self.floor.journal.parent.glob("journal*.db*"):
            if "damaged" not in path.name and not path.name.endswith("-shm"):
                shutil.copy(path, look)
        found = []
        for one in epochs.listed(look / "journal.db"):
            with closing(sqlite3.connect(one.path)) as db:
                rows = db.execute("SELECT CAST(body AS BLOB) FROM events ORDER BY seq").fetchall()
            found += [(one.epoch, decode(body)) for (body,) in rows]
        return found

    async def drained(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until every receiver holds everything."""
        data = self.floor.journal.parent

        def empty() -> bool:
            uplinks = load_status(data / "sync.db").uplinks
            found = epochs.look(self.floor.journal)
            if not uplinks or found is None:
                return False
            one = uplinks[0]
            return one.epoch == found.epoch and not load_outbox(self.floor.journal, one.epoch, one.seq).events

        await until(empty, "an empty outbox", patience_s)

    async def standing(self) -> dict[str, str]:
        """Alerts as `lineside status` shows them: key and text."""
        _, told, _ = await invoke("status", "--json", "--config", self.floor.config)
        return {one["key"]: one["text"] for one in json.loads(told)["alerts"]}

    async def verified(self) -> dict[str, str]:
        """What `lineside events verify` says is missing, by epoch; what is there must be sound."""
        _, told, complained = await invoke("events", "verify", "--json", "--config", self.floor.config)
        journals = json.loads(told)["journals"]
        for one in journals:
            gaps = [text for text in one["problems"] if "missing" not in text]
            assert not gaps, (one, complained)
        return {one["epoch"]: one["missing"] for one in journals}

    def declared(self) -> list[tuple[str, str]]:
        """What the first events say is missing: epoch and seqs."""
        found = []
        for _, event in self.read():
            if isinstance(event.data, JournalOpened) and event.data.missing:
                found.append(((event.data.follows or ":").partition(":")[0], event.data.missing))
        return found


async def outcome(fault: str, kind: str, *accounts: Account) -> Row:
    """Compare what was acknowledged with what the ERP holds. Everything must be drained."""
    erp = accounts[0].floor.erp
    rows = await erp.ledger.run(lambda: list(erp.ledger.rows("ORDER BY source, seq")))
    held: Counter[int] = Counter()
    for row in rows:
        if row.status == "accepted" and row.type == "lineside.material.consumed.v1":
            fact = row.event().data
            assert isinstance(fact, MaterialConsumed)
            held[int(fact.quantity / STEP)] += 1
    sources = await erp.ledger.run(erp.ledger.sources)
    assert not [one for one in sources if one.refused], "a number was used twice"
    lost = declared = 0
    for account in accounts:
        said = account.declared()
        for number in set(account.acknowledged) - set(held):
            place = account.places.get(number)
            known = place is not None and any(
                epoch in (place[0], "") and within(place[1], spans) for epoch, spans in said
            )
            declared += known
            lost += not known
    acknowledged = sum(len(account.acknowledged) for account in accounts)
    doubled = sum(times - 1 for times in held.values())
    return Row(fault, kind, 1, acknowledged, lost, doubled, declared=declared)


def within(seq: int, spans: str) -> bool:
    """Whether "12-15,40,301-" names a number."""
    for span in spans.split(","):
        first, dash, last = span.partition("-")
        if int(first) <= seq <= (int(last) if last else 10**12 if dash else int(first)):
            return True
    return False
