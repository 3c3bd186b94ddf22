"""A receiver in this process: the seam of an uplink without a wire, and a record of all that it was sent.

It posts each id once. A script says how it answers the next calls; behind the script it accepts, or, where it
is to cut, the call that it is in never returns.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.events import decode
from sync.batch import Batch
from sync.outcome import Again, Answer, Outcome, Pause, Settled, Split, Verdict
from sync.settings import Delivery

How = Literal[
    "accepts", "rejects", "puts off from", "puts off", "loses answer", "loses rejection", "is down",
    "refuses", "finds too large", "pauses",
]  # fmt: skip
Cut = Literal["", "before it posts", "after it posted", "while it settles"]
Mood = tuple[How, int]  # the number picks an event of the batch
Number = tuple[str, int]  # epoch, seq


@dataclass
class Postings:
    """What the receiver holds and has said."""

    settings: Delivery
    name: str = "erp"
    script: deque[Mood] = field(default_factory=deque)
    cut: Cut = ""
    at_cut: asyncio.Event = field(default_factory=asyncio.Event)
    posted: list[tuple[Number, str]] = field(default_factory=list)  # in the order of posting
    numbers: dict[Number, str] = field(default_factory=dict)  # every pair that ever came, with its id
    strange: list[str] = field(default_factory=list)  # what must never be
    told: set[str] = field(default_factory=set)  # posted, and the answer that says so came home
    out_of_turn: set[str] = field(default_factory=set)  # what was behind them was posted first
    asked: list[str] = field(default_factory=list)  # ids in the order in which they were sent

    @property
    def ids(self) -> list[str]:
        return [id_ for _, id_ in self.posted]

    async def ship(self, batch: Batch) -> Verdict:
        self._look(batch)
        await asyncio.sleep(0)
        if not self.script and self.cut:
            return await self._cut(batch)
        how, number = self.script.popleft() if self.script else ("accepts", 0)
        at = number % len(batch.ids)
        match how:
            case "accepts":
                return self._settled(batch, self._post(batch))
            case "rejects":
                return self._settled(batch, self._post(batch, rejected={at, (at * 3 + 1) % len(batch.ids)}))
            case "puts off from":
                return self._settled(batch, self._post(batch, off=range(at, len(batch.ids))))
            case "puts off":
                self.out_of_turn.add(batch.ids[at])
                return self._settled(batch, self._post(batch, off={at}))
            case "loses answer":
                self._post(batch)
                return Again("the connection broke", "")
            case "loses rejection":
                self._post(batch, rejected={at})
                return Again("the connection broke", "")
            case "is down":
                return Again("nobody answers", "")
            case "pauses":
                return Pause("no right", "")
            case "refuses" | "finds too large":
                if len(batch.ids) == 1:
                    self.out_of_turn.add(batch.ids[0])
                return Split({"title": "cannot read a fact"}, too_large=how == "finds too large")

    async def _cut(self, batch: Batch) -> Verdict:
        outcomes = [] if self.cut == "before it posts" else self._post(batch)
        self.at_cut.set()
        if self.cut == "while it settles":
            return self._settled(batch, outcomes)
        await asyncio.Event().wait()
        raise AssertionError("only a cancellation ends this")

    def _look(self, batch: Batch) -> None:
        self.asked += batch.ids
        for (seq, body), id_ in zip(batch.rows, batch.ids, strict=True):
            event, number = decode(body), (batch.epoch, seq)
            if (event.id, event.seq) != (id_, seq) or event.source.rpartition(":")[2] != batch.epoch:
                self.strange.append(f"{number} goes out as {event.source} {event.seq} {event.id}, not {id_}")
            if event.source != batch.source:
                self.strange.append(f"{number} of {event.source} goes out under {batch.source}")
            if self.numbers.setdefault(number, id_) != id_:
                self.strange.append(f"{number} is {id_}, but was {self.numbers[number]}")

    def _post(
        self, batch: Batch, rejected: Collection[int] = (), off: Collection[int] = ()
    ) -> Sequence[Outcome]:
        found, held = [], set(self.ids)
        if batch.kept and self.settings.on_reject != "hold_order":
            self.strange.append(f"facts are kept back though nothing says so: {batch.kept}")
        self.out_of_turn |= {
            one.head.id for one in batch.kept
        }  # where the settlement is lost, nobody knows of it
        for at, (id_, (seq, _)) in enumerate(zip(batch.ids, batch.rows, strict=True)):
            if id_ in held:
                found.append(Outcome(id_, "duplicate"))
            elif at in off:
                found.append(Outcome(id_, "retry"))
            elif at in rejected:
                self.out_of_turn.add(id_)
                found.append(Outcome(id_, "rejected", problem={"title": "bad fact"}))
            else:
                self.posted.append(((batch.epoch, seq), id_))
                found.append(Outcome(id_, "accepted"))
        return found

    def _settled(self, batch: Batch, outcomes: Sequence[Outcome]) -> Settled:
        self.told |= {one.id for one in outcomes if one.status in ("accepted", "duplicate")}
        return Settled(outcomes)

    async def fetch_masterdata(self, etag: str | None) -> Answer:
        raise NotImplementedError

    async def reconcile(self, report: bytes) -> Answer:
        raise NotImplementedError

    async def close(self) -> None:
        pass
