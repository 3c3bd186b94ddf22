"""Compare what the database holds with lineside: halve each range that differs, and pull what is lacking."""

from collections.abc import Callable, Iterator
from typing import Any

from edge.pulling.asking import Asking, Refusal
from edge.pulling.ledger import Ledger

_RANGE = 100_000  # seqs that lineside compares at once


def compare(
    asking: Asking, ledger: Ledger, limit: int, told: Callable[[str], None] = lambda _: None
) -> tuple[int, list[str]]:
    """How many facts were lacking and are there now, and in words what still differs.

    `told` hears of what is kept no more, and so is neither compared nor pulled.
    """
    fetched, differing = 0, []
    for source, last in (ledger.sources() or _begun(asking, ledger)).items():
        first = 1
        while first <= last:
            whole = first, min(last, first + _RANGE - 1)
            try:
                found = list(_narrowed(asking, ledger, source, *whole, limit))
                for narrow in found:
                    fetched += _fetched(asking, ledger, source, *narrow)
                answer = _asked(asking, ledger, source, *whole) if found else {"differences": []}
            except Refusal as refused:
                if refused.kept_from is None or refused.kept_from <= first:
                    raise
                told(_forgotten(ledger, source, first, min(last, refused.kept_from - 1)))
                first = refused.kept_from
                continue
            differing += [
                f"{source} {whole[0]} to {whole[1]}, {one['what']}: there {one['here']}, here {one['there']}"
                for one in answer["differences"]
            ]
            first = whole[1] + 1
    return fetched, differing


def _forgotten(ledger: Ledger, source: str, first: int, last: int) -> str:
    held, _ = ledger.figures(source, first, last)
    return f"{source} {first} to {last}: kept no more, so not compared; {held} of {last - first + 1} are here"


def _begun(asking: Asking, ledger: Ledger) -> dict[str, int]:
    """The journal of a database that holds nothing of it, and through which seq it should."""
    epoch, _, through = (ledger.cursor() or "").partition(":")
    if not through.strip("0"):
        return {}
    try:
        page = asking.ask("pull", {"after": f"{epoch}:0", "limit": 1})
    except Refusal as refused:
        if refused.kept_from is None:
            raise
        page = asking.ask("pull", {"after": f"{epoch}:{refused.kept_from - 1}", "limit": 1})
    sources = [event["source"] for event in page["events"]]
    return {source: int(through) for source in sources if source.endswith(f":{epoch}")}


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
