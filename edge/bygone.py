"""Alerts that outlive what raised them: from journal to journal, and those about what is past.

A journal that is set aside is never written again, so what stood in it goes on in the next one, under the
same key and the same time of raising: whoever was told of it hears of its end, for what watches a cause
clears it there. What is said of facts and journals that lie behind has no cause that could end; it is over
when nothing is left to be done about them.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from edge import epochs
from edge.alerts import STANDING, Alert
from edge.epochs import Epoch
from edge.faults import StorageFault
from edge.schema import read_only

_OF_SEQS = ("clock.ahead.", "clock.undated.", "clock.doubted.")
_OF_JOURNALS = "journal."
_LOST, _DAMAGED = ".lost", ".damaged"
_BEFORE = ".before."  # of the numbers of the journal before


def begun(epoch: str, *, lost: bool, damaged: bool) -> str:
    """The key of the alert that a journal was begun anew.

    `lost`: something of the one before is missing. `damaged`: its file was, so the disk is to be looked at,
    though all may be delivered a moment later.
    """
    return f"{_OF_JOURNALS}{epoch}{_LOST if lost else _DAMAGED if damaged else ''}"


def standing(path: Path) -> tuple[Alert, ...]:
    """What stood when the edge last recorded anything, as far as it can be read, for the next journal.

    `path` is the journal that is about to be set aside. Where a copy was put in its place, the one that was
    in use is set aside already.
    """
    last = _last(path)
    found: list[Alert] = []
    file = last.path if last else path
    with (
        suppress(sqlite3.Error, UnicodeDecodeError),
        closing(sqlite3.connect(read_only(file), uri=True)) as db,
    ):
        found += (Alert(*row) for row in db.execute(STANDING))
    return tuple(_named(one, last.epoch) if last else one for one in found)


def over(
    alert: Alert, kept: Sequence[Epoch], done: Mapping[str, int], before_ms: int, ran: bool = False
) -> bool:
    """Whether an alert about what is past needs nobody any more. Pure.

    `kept` are all journals, oldest first, `done` by epoch what every receiver is done with. Once everything
    of the journals before the current one is delivered, what is left is evidence: it is gone at `before_ms`.
    `ran`: by the time that the edge ran it is gone of all that was before the current journal.
    """
    delivered = all(done.get(one.epoch, 0) >= one.head for one in kept[:-1])
    if alert.key.startswith(_OF_JOURNALS) and not alert.key.endswith((_LOST, _DAMAGED)):
        return delivered
    if alert.key.startswith((_OF_JOURNALS, *_OF_SEQS)):
        return delivered and (
            alert.raised_ms < before_ms or (ran and _names_before(alert.key, kept[-1].epoch))
        )
    return False


def _names_before(key: str, current: str) -> bool:
    """Whether what it names was before the current journal."""
    return key.startswith(_OF_JOURNALS) or _BEFORE in key or current not in key


def _last(path: Path) -> Epoch | None:
    """The journal that was in use last; None where the one at `path` does not say which it is."""
    with suppress(StorageFault):
        own = epochs.look(path) if path.exists() else None
        if own is not None:
            others = (one for one in epochs.listed(path) if one.path != path)
            return max((*_same(path, own), own, *others), key=lambda one: (one.ordinal, one.head))
    return None


def _same(path: Path, own: Epoch) -> list[Epoch]:
    """The journal of this epoch that was set aside for an older copy of it."""
    held = epochs.aside(path, own.epoch)
    one = epochs.look(held) if held.exists() else None
    return [one] if one else []


def _named(alert: Alert, epoch: str) -> Alert:
    """Its numbers are those of a journal, so it says of which."""
    if not alert.key.startswith(_OF_SEQS) or ", journal " in alert.text:
        return alert
    return replace(alert, text=f"{alert.text}, journal {epoch}")
