"""Whether a journal proves itself: numbers without gaps, each chain on the one before, every event whole."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import msgspec

from edge.events import Event, chain_of, chains, decode
from edge.faults import JournalDamaged
from edge.journal.form import Log
from edge.journal.reader import Reader

_BESIDE = 200  # events checked at a time beside work
_DAMAGED = "`lineside events verify` shows what is damaged; keep a copy of the file"


@dataclass(frozen=True)
class Verification:
    """What a check of the whole journal found; sound when `problems` is empty."""

    events: int
    first: int
    last: int
    problems: tuple[str, ...]


async def verify(
    reader: Reader,
    progress: Callable[[int], None] = lambda seq: None,
    pause: Callable[[], Awaitable[None]] | None = None,
) -> Verification:
    """Check every event's number, chain and form, streaming; at most 100 problems are kept.

    `pause` is awaited between portions, for a check beside work.
    """
    problems: list[str] = []
    first = last = events = 0
    chain: str | None = None
    portion = _BESIDE if pause is not None else 1000
    while rows := await reader.read_after(last, portion):
        if not first and rows[0][0] > max(1, reader.pruned):
            problems.append(f"seq {max(1, reader.pruned)} to {rows[0][0] - 1} are missing")
        for seq, body in rows:
            problems += _checked(seq, body, last, chain, reader.source) if len(problems) < 100 else []
            first, last, chain, events = first or seq, seq, chain_of(body), events + 1
        progress(last)
        if pause is not None:
            await pause()
    return Verification(events, first, last, tuple(problems))


def _checked(seq: int, body: bytes, last: int, chain: str | None, source: str) -> Iterator[str]:
    if last and seq != last + 1:
        yield f"seq {last + 1} to {seq - 1} are missing"
    elif (chain is not None or seq == 1) and not chains(body, chain or ""):
        yield f"seq {seq} does not follow on the one before: one of them was changed"
    try:
        event = decode(body)
    except msgspec.DecodeError as error:
        yield f"seq {seq} is no event: {error}"
        return
    if event.seq != seq or event.source != source:
        yield f"seq {seq} says that it is {event.source} {event.seq}"


async def replay(journal: Log, after: int) -> AsyncIterator[Event]:
    """The events behind `after`, chain-checked from the second on. Raises JournalDamaged."""
    chain: str | None = None
    while rows := await journal.read_after(after, 1000):
        for seq, body in rows:
            if seq != after + 1 or (chain is not None and not chains(body, chain)):
                raise JournalDamaged(
                    f"{journal.path}: seq {seq} does not follow on seq {after}",
                    hint=_DAMAGED,
                )
            chain, after = chain_of(body), seq
            try:
                event = decode(body)
            except msgspec.DecodeError as error:
                raise JournalDamaged(
                    f"{journal.path}: seq {seq} is no event: {error}", hint=_DAMAGED
                ) from error
            yield event
