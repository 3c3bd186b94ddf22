"""Compare what the database holds with lineside: halve each range that differs, and pull what is lacking."""

from collections.abc import Iterator
from typing import Any

from edge.pulling.asking import Asking
from edge.pulling.ledger import Ledger

_RANGE = 100_000  # seqs that lineside compares at once


def compare(asking: Asking, ledger: Ledger, limit: int) -> tuple[int, list[str]]:
    """How many facts were lacking and are there now, and in words what still differs."""
    fetched, differing = 0, []
    for source, last in (ledger.sources() or _begun(asking, ledger)).items():
        for first in range(1, last + 1, _RANGE):
            whole = first, min(last, first + _RANGE - 1)
            found = list(_narrowed(asking, ledger, source, *whole, limit))
            for narrow in found:
                fetched += _fetched(asking, ledger, source, *narrow)
            answer = _asked(asking, ledger, source, *whole) if found else {"differences": []}
            differing += [
                f"{source} {whole[0]} to {whole[1]}, {one['what']}: there {one['here']}, here {one['there']}"
                for one in answer["differences"]
            ]
    return fetched, differing


def _begun(asking: Asking, ledger: Ledger) -> dict[str, int]:
    """The journal of a database that holds nothing of it, and through which seq it should."""
    epoch, _, through = (ledger.cursor() or "").partition(":")
    page = asking.ask("pull", {"after": f"{epoch}:0", "limit": 1}) if through.strip("0") else {"events": ()}
    return {event["source"]: int(through) for event in page["events"]}


def _narrowed(
    asking: Asking, ledger: Ledger, source: str, first: int, last: int, limit: int
) -> Iterator[tuple[int, int]]:
    """The parts of a range that differ, none longer than a page."""
    if not _asked(asking, ledger, source, first, last)["differences"]:
        return
    if last - first < limit:
        yield first, last
        return
    middle = (first + last) // 2
    yield from _narrowed(asking, ledger, source, first, middle, limit)
    yield from _narrowed(asking, ledger, source, middle + 1, last, limit)


def _asked(asking: Asking, ledger: Ledger, source: str, first: int, last: int) -> dict[str, Any]:
    count, digest = ledger.figures(source, first, last)
    return asking.ask(
        "reconcile",
        {"source": source, "from_seq": first, "to_seq": last, "count": count, "digest": digest},
    )


def _fetched(asking: Asking, ledger: Ledger, source: str, first: int, last: int) -> int:
    """Pull a range again; the cursor stays where it is, and what waits in quarantine is not for us."""
    epoch, fetched, at = source.rpartition(":")[2], 0, first - 1
    excluded = set(_asked(asking, ledger, source, first, last)["excluded"] or ())
    while at < last:
        page = asking.ask("pull", {"after": f"{epoch}:{at}", "limit": last - at})
        seqs = [int(event["sequence"]) for event in page["events"]]
        if not seqs or page["events"][0]["source"] != source:
            break
        wanted = [event for seq, event in zip(seqs, page["events"], strict=True) if seq not in excluded]
        fetched += ledger.take(wanted, ledger.cursor() or page["next"]).new
        at = seqs[-1]
    return fetched
