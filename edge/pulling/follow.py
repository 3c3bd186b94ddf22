"""Pull, commit, ack: what a consumer does with every page. A crash anywhere is mended by beginning again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edge.pulling.asking import Asking

_IDLE_S = 1.0


@dataclass(frozen=True)
class Taken:
    """What became of a page. `rejected`: [{id, problem}], what the books do not take."""

    new: int
    rejected: Sequence[dict[str, Any]] = ()


class Books(Protocol):
    """Where events go."""

    def cursor(self) -> str | None:
        """What was taken last; None: lineside knows."""

    def take(self, events: Sequence[dict[str, Any]], cursor: str) -> Taken:
        """Book what is new and keep the cursor, durably and in one transaction."""


def begins_behind(asking: Asking, books: Books) -> str | None:
    """The cursor behind which empty books begin; None where nothing lies before it, or they are not empty."""
    if books.cursor() is not None:
        return None
    # An ack of nothing settles nothing. A page would not tell: its first fact may be of a later journal.
    at: str = asking.ask("ack", {})["cursor"]
    return None if at.endswith(":0") else at


def follow(
    asking: Asking, books: Books, limit: int, once: bool, told: Callable[[int, str], None] = lambda *_: None
) -> None:
    """Take page by page of at most `limit` events; `once`: until there is no more.

    `told` hears of each page that brought something: how many new events, through which cursor.
    """
    while True:
        page = asking.ask("pull", {"after": books.cursor(), "limit": limit})
        found = books.take([*page["again"], *page["events"]], page["next"])
        refused = {one["id"] for one in found.rejected}
        accepted = [event["id"] for event in page["again"] if event["id"] not in refused]
        asking.ask("ack", {"upto": page["next"], "accepted": accepted, "rejected": found.rejected})
        if found.new:
            told(found.new, page["next"])
        if not page["more"]:
            if once:
                return
            asking.rest(_IDLE_S)
