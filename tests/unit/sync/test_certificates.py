"""Certificates: never changed, the latest of a range counts, those of before still read."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec
import pytest

from edge.schema import APPLICATION_ID
from edge.settings import Edge
from sync.certificates.page import page, verdict
from sync.certificates.record import Certificate, Counts, Findings, keep, load, load_one, load_open, shown
from sync.comparison import Difference
from sync.heldback import Discarded, Held
from sync.store import Store
from sync.tables import TABLES
from sync.tally import Report, Total

EDGE = Edge(id="L3-IPC1", site="suzhou", line="L3", timezone="Asia/Shanghai")

REPORT = Report(
    "urn:x", 1, 9, 9, "d" * 64, [], [Total("2026-11-22", "<W>", "1", "S", "good", "C62", Decimal("5.500"))]
)
COUNTS = Counts(3, 9, 9, 9)


def certificate(match: bool = True, **more: Any) -> Certificate:
    given: dict[str, Any] = {"findings": Findings(COUNTS), "report": REPORT, "occasion": "asked", **more}
    return Certificate(0, "erp", "e" * 16, at_ms=1, match=match, **given)


async def stored(store: Store, *made: Certificate) -> list[int]:
    numbers = []

    async def work(connection: aiosqlite.Connection) -> None:
        for one in made:
            numbers.append((await keep(connection, one, b'{"match": true}')).id)

    await store.transact(work)
    return numbers


async def test_the_latest_of_a_range_counts_and_one_that_says_the_same_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "sync.db"
    differing = Findings(COUNTS, differences=(Difference("good", "5", "4"),))
    async with await Store.open(path) as store:
        wrong, right = certificate(False, findings=differing), certificate()
        later = msgspec.structs.replace(wrong, at_ms=99)
        assert await stored(store, wrong, later) == [1, 1]
        assert [one.id for one in load_open(path)] == [1]
        assert await stored(store, right, wrong, right) == [2, 3, 4]
        assert load_open(path) == []
        assert [one.id for one in load(path)] == [4, 3, 2, 1]
        assert load(path, "sap") == []
        one = load_one(path, 1)
        assert one == msgspec.structs.replace(wrong, id=1)


async def test_certificates_of_the_version_before_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sync.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            f"PRAGMA journal_mode = WAL; {TABLES.first}; PRAGMA application_id = {APPLICATION_ID};"
            " PRAGMA user_version = 1;"
        )
        report, answer = msgspec.json.encode(REPORT).decode(), '{"match": false, "missing": [4]}'
        values = ("erp", "e", 1, 9, 5, 0, report, answer)
        db.execute("INSERT INTO certificates VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        db.commit()
    assert load(path) == [], "sync of this version has not opened it yet"
    async with await Store.open(path):
        (one,) = load(path)
        assert (one.match, one.missing, one.findings.counts.posted, one.occasion) == (False, (4,), 9, "")


def test_on_paper_stands_what_is_stored_and_nothing_of_it_is_markup() -> None:
    odd = Findings(COUNTS, differences=(Difference("<script>alert(1)</script>", "5", "4"),))
    html = page(certificate(False, findings=odd), EDGE)
    assert "No match" in html and "&lt;script&gt;" in html and "&lt;W&gt;" in html
    assert "<script" not in html and "http" not in html
    assert "5.5 pcs" in html
    assert html.count("Asia/Shanghai") == 1 and "+0800" not in html
    assert "Match <span" in page(certificate(), EDGE)


def test_a_match_is_not_green_while_facts_wait_in_quarantine() -> None:
    waiting = certificate(findings=Findings(COUNTS, waiting=2))
    assert verdict(waiting) == "waiting"
    html = page(waiting, EDGE)
    assert 'class="verdict waiting"' in html and 'class="verdict match"' not in html
    assert (verdict(certificate()), verdict(certificate(False))) == ("match", "open")


@pytest.mark.parametrize(
    ("there", "missing", "figures"),
    [
        (None, (), (8, 1, 0, 0)),  # one of nine is rejected
        (None, (4,), (7, 2, 0, 0)),
        ("5", (), (5, 4, 3, 0)),
        ("7", (4,), (7, 2, 0, 0)),
        ("9", (), (9, 1, 0, 1)),
        ("99", (4,), (99, 2, 0, 92)),
        ("many", (), (8, 1, 0, 0)),
        ("9" * 99, (), (8, 1, 0, 0)),
    ],
)
def test_posted_is_what_the_receiver_says_that_it_holds(
    there: str | None, missing: tuple[int, ...], figures: tuple[int, ...]
) -> None:
    told = (Difference("count", "8", there),) if there else ()
    found = Findings(Counts(3, 9, 9, 8), missing=missing, differences=told)
    one = certificate(False, findings=found)
    assert (one.posted, one.unposted, one.unnamed, one.surplus) == figures
    html = page(one, EDGE)
    assert f"<b>{one.posted:,}</b><small>{one.unposted} not posted" in html and 'class="less">Posted' in html
    assert ("more than here" in html) == bool(one.surplus)
    assert ("does not say which" in html) == bool(one.unnamed)
    assert (shown(one)["posted"], shown(one)["findings"]["counts"]["posted"]) == (one.posted, 8)


def test_on_paper_a_decision_is_told_apart_from_what_waits() -> None:
    worth = Held("W", "S", "scanned", "KGM", Decimal(2), Decimal(5), "CNY")
    gone = Discarded(4, "019a<b>", "material.consumed", "W", "1043", "posted by <hand>", 1_795_000_000_000)
    found = Findings(Counts(3, 9, 9, 8, 1), discarded=(gone,), written_off=(worth,))
    report = msgspec.structs.replace(REPORT, count=8, excluded=[4])
    one = certificate(False, findings=found, report=report)
    html = page(one, EDGE)
    assert one.only_discarded and verdict(one) == "open", "for machines it goes on being no match"
    assert "Agrees but for 1 discarded by decision" in html
    assert 'class="verdict match"' not in html and 'class="verdict open"' not in html
    for said in ("019a&lt;b&gt;", "1043", "posted by &lt;hand&gt;", "2026-11-18 ", "5.00 CNY"):
        assert said in html, said
    assert "<h2>Held back" not in html and "undecided" not in html
    both = certificate(
        False, report=msgspec.structs.replace(report, excluded=[4, 7]),
        findings=msgspec.structs.replace(found, held_back=(worth,)),
    )  # fmt: skip
    html = page(both, EDGE)
    assert not both.only_discarded and both.undecided == [7] and "<h2>Held back" in html
    assert 'class="verdict open"' in html and "1 of them discarded by decision" in html
    differs = msgspec.structs.replace(found, differences=(Difference("good", "5", "4"),))
    assert not certificate(False, findings=differs, report=report).only_discarded


@pytest.mark.parametrize(
    ("undecided", "known"), [((), []), ((1, 3), [1, 3]), ((1, 4, 1500), [1, 4]), ((1200, 1500), [])]
)
def test_nothing_that_was_discarded_is_called_undecided_where_not_all_of_it_is_named(
    undecided: tuple[int, ...], known: list[int]
) -> None:
    gone = [seq for seq in range(1, 1501) if seq not in undecided]
    named = tuple(Discarded(seq, f"id{seq}", "work.paused", None, "1043", None, 1) for seq in gone[:1000])
    found = Findings(Counts(3, 1500, 1500, 0, len(gone)), discarded=named)
    report = msgspec.structs.replace(REPORT, to_seq=1500, count=0, excluded=list(range(1, 1501)))
    one = certificate(False, findings=found, report=report)
    assert (one.undecided, one.undecided_count) == (known, len(undecided))
    assert one.only_discarded == (not undecided)
    more = " …" if len(undecided) > len(known) else ""
    said = f"<dd>{len(undecided)}: {', '.join(map(str, known))}{more}</dd>"
    assert (said in page(one, EDGE)) == bool(undecided)


def test_as_json_figures_are_strings() -> None:
    assert shown(certificate())["report"]["totals"][0]["quantity"] == "5.500"
