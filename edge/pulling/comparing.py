"""Compare what the database holds with lineside: halve each range that differs, and pull what is lacking."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edge.pulling.asking import Asking, Refusal
from edge.pulling.ledger import Ledger

_RANGE = 100_000  # seqs that lineside compares at once


@dataclass
class Compared:
    """What came of it."""

    ranges: int = 0  # compared to their end
    fetched: int = 0  # facts that were lacking and are there now
    differing: list[str] = field(default_factory=list)  # in words, what still does
    left_out: int = 0  # ranges that are not kept there, so neither compared nor pulled


def compare(
    asking: Asking, ledger: Ledger, limit: int, told: Callable[[str], None] = lambda _: None
) -> Compared:
    """Compare every journal of which anything is here; `told` hears of each range that is left out."""
    done = Compared()
    for source, last in (ledger.sources() or _begun(asking, ledger)).items():
        first = 1
        while first <= last:
            whole = first, min(last, first + _RANGE - 1)
            try:
                found = list(_narrowed(asking, ledger, source, *whole, limit))
                for narrow in found:
                    done.fetched += _fetched(asking, ledger, source, *narrow)
                answer = _asked(asking, ledger, source, *whole) if found else {"differences": []}
            except Refusal as refused:
                if refused.kind == "unknown-source":
                    kept_from, why = last + 1, "not a journal that is kept there"
                else:
                    kept_from, why = refused.kept_from or 0, "kept no more"
                if kept_from <= first:
                    raise
                told(_held(ledger, source, first, min(last, kept_from - 1), why))
                done.left_out += 1
                first = kept_from
                continue
            done.differing += [
                f"{source} {whole[0]} to {whole[1]}, {one['what']}: there {one['here']}, here {one['there']}"
                for one in answer["differences"]
            ]
            done.ranges += 1
            first = whole[1] + 1
    return done


def _held(ledger: Ledger, source: str, first: int, last: int, why: str) -> str:
    held, _ = ledger.figures(source, first, last)
    return f"{source} {first} to {last}: {why}, so not compared; {held} of {last - first + 1} are here"


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
