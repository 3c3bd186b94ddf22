"""masterdata.db: a delivery is taken whole, writes what changed, and a reader's generation holds still."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.demo.endpoint import MASTERDATA
from edge.faults import MasterDataInvalid, MasterDataUnreadable
from edge.masterdata import LISTS, Document, MasterData, parse
from edge.masterdata.lookup import Reader, load
from edge.masterdata.store import ASIDE, MasterStore
from tests.deliveries import deliver, delivered
from tests.unit.station.floor import MASTER

ORDER: dict[str, Any] = {"work_order": "1", "product": "P", "quantity": "5", "unit": "C62"}


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def same(held: MasterData, document: Document) -> None:
    """Held is what the document says, by list and by key."""
    there = MasterData(document)
    for name in LISTS:
        wanted, found = getattr(document, name), getattr(held.document, name)
        assert (found is None) == (wanted is None), name
        if wanted is not None:
            assert sorted(found, key=lambda one: one.key) == sorted(wanted, key=lambda one: one.key)
            assert len(found) == len(wanted) and all(one in found for one in wanted)
    assert dict(held.orders) == there.orders and dict(held.materials) == there.materials
    by_material = {name: tuple(sorted(lots, key=lambda one: one.key)) for name, lots in there.lots.items()}
    assert dict(held.lots) == by_material
    assert held.badges == there.badges and held.reasons == there.reasons and held.tools == there.tools
    for center in ("WC-PRESS-1", "WC-X", "nowhere"):
        at = {one.work_order for one in held.orders_at(center)}
        assert at == {one.work_order for one in there.orders_at(center)}


@pytest.mark.parametrize("body", [MASTERDATA.read_bytes(), msgspec.json.encode(MASTER), b"{}"])
def test_what_is_looked_up_is_what_was_delivered(body: bytes, tmp_path: Path) -> None:
    assert delivered(tmp_path / "m.db", body)
    same(load(tmp_path / "m.db"), parse(body))


def test_where_sync_never_ran_there_is_no_master_data(tmp_path: Path) -> None:
    assert load(tmp_path / "m.db").document == Document()
    sqlite3.connect(tmp_path / "m.db").close()
    assert load(tmp_path / "m.db").document == Document()


def test_only_records_that_changed_are_written(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    lots = [{"material": "S", "lot": f"A{number}", "quantity": "1"} for number in range(100)]
    delivered(path, {"lots": lots, "people": [{"person": "1"}]}, "e1")
    lots[7]["quantity"] = "2"
    delivered(path, {"lots": [*lots[:50], *lots[51:], {"material": "S", "lot": "NEW"}]}, "e2")
    assert sorted(rows(path, "SELECT key, since, until FROM records WHERE since > 1 OR until NOT NULL")) == [
        ("A50\x1fS", 1, 2), ("A7\x1fS", 1, 2), ("A7\x1fS", 2, None), ("NEW\x1fS", 2, None),
    ]  # fmt: skip


def test_the_same_again_is_no_news_but_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    assert delivered(path, MASTER, "e1", 1)
    assert not delivered(path, MASTER, "e1", 2)
    held = load(path)
    assert (held.etag, held.fetched_ms) == ("e1", 2)
    assert delivered(path, MASTER, "e2", 3)  # facts name the delivery that was used
    assert load(path).etag == "e2"


def test_a_reader_goes_on_with_its_generation_until_it_takes_up_the_next(tmp_path: Path) -> None:
    path, reader = tmp_path / "m.db", Reader(tmp_path / "m.db")
    delivered(path, {"work_orders": [ORDER], "lots": [{"material": "S", "lot": "A"}]}, "e1", 1)
    before = reader.news()
    assert before is not None
    delivered(path, {"work_orders": [{**ORDER, "quantity": "6"}], "lots": []}, "e2", 2)
    # Nothing was looked up before: all of it comes from the file, and from the generation known.
    assert str(before.orders["1"].quantity) == "5" and list(before.lots) == ["A"] and before.etag == "e1"
    after = reader.news()
    assert after is not None and str(after.orders["1"].quantity) == "6" and not after.lots
    assert reader.news() is None


def test_generations_that_no_reader_needs_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    for number in range(8):
        order = {**ORDER, "quantity": str(number + 1)}
        delivered(path, {"work_orders": [order], "lots": [{"material": "S", "lot": f"A{number}"}]},
                  f"e{number}", number * 3_600_000)  # fmt: skip
    assert len(rows(path, "SELECT 1 FROM records")) <= 8
    assert len(rows(path, "SELECT 1 FROM names")) <= 4
    assert len(rows(path, "SELECT 1 FROM generations")) <= 4
    assert list(load(path).lots) == ["A7"]


def test_a_hundred_deliveries_within_a_second_take_nothing_from_a_reader(tmp_path: Path) -> None:
    path, reader = tmp_path / "m.db", Reader(tmp_path / "m.db")

    async def work() -> None:
        for number in range(30):
            await deliver(path, {"work_orders": [{**ORDER, "quantity": str(number + 1)}]}, None, number)
            if not number:
                found.append(reader.news())

    found: list[MasterData | None] = []
    asyncio.run(work())
    assert found[0] is not None and str(found[0].orders["1"].quantity) == "1"


def test_a_bad_record_takes_nothing_of_the_whole_delivery(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    delivered(path, {"people": [{"person": "1"}]}, "e1")
    with pytest.raises(MasterDataInvalid, match=r"lots\[1\]"):
        delivered(path, {"people": [{"person": "2"}], "lots": [{"material": "S", "lot": "A"}, {"lot": "B"}]},
                  "e2")  # fmt: skip
    held = load(path)
    assert list(held.badges) == ["1"] and held.etag == "e1" and held.document.lots is None


@pytest.mark.parametrize("known", [True, False], ids=["one held", "none held"])
def test_a_key_with_two_contents_is_refused_and_the_same_twice_is_once(known: bool, tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    if known:
        delivered(path, {"work_orders": [ORDER]}, "e1")
    delivered(path, {"work_orders": [ORDER, ORDER]}, "e2")
    assert len(load(path).orders) == 1
    with pytest.raises(MasterDataInvalid, match="1"):
        delivered(path, {"work_orders": [ORDER, {**ORDER, "quantity": "6"}]}, "e3")
    assert str(load(path).orders["1"].quantity) == "5"


async def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "masterdata.db"
    await deliver(path, MASTER)
    path.write_bytes(b"no database at all, but notes of somebody" * 100)
    async with await MasterStore.open(path) as held:
        assert held.replaced
        assert await held.source("erp") is None  # asked for without an etag: it comes whole
    assert (tmp_path / ASIDE).read_bytes().startswith(b"no database")
    assert load(path).document == Document()


async def test_a_folder_in_the_place_of_the_file_is_set_aside_too(tmp_path: Path) -> None:
    path = tmp_path / "masterdata.db"
    for number in (1, 2):
        path.unlink(missing_ok=True)
        path.mkdir()
        (path / "mine").write_text("x")
        with pytest.raises(MasterDataUnreadable, match="it is a folder"):
            load(path)
        async with await MasterStore.open(path) as held:
            assert held.replaced == "masterdata.db is a folder"
        assert (
            len([one for one in tmp_path.glob("masterdata-damaged-*.db") if (one / "mine").exists()])
            == number
        )
    assert load(path).document == Document()


lots = st.lists(
    st.fixed_dictionaries(
        {
            "material": st.sampled_from("ST"),
            "lot": st.sampled_from(["A", "B", "C"]),
            "status": st.sampled_from(["released", "blocked"]),
        }
    ),
    max_size=5,
    unique_by=lambda one: (one["material"], one["lot"]),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), lots), min_size=1, max_size=5))
def test_any_sequence_of_deliveries_ends_with_the_last_of_each_list(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[list[dict[str, str]] | None]
) -> None:
    path = tmp_path_factory.mktemp("deliveries") / "m.db"

    async def work() -> None:
        for number, found in enumerate(sequence):
            await deliver(path, {} if found is None else {"lots": found}, f"e{number}", number)

    asyncio.run(work())
    last = next((found for found in reversed(sequence) if found is not None), None)
    same(load(path), parse(msgspec.json.encode({} if last is None else {"lots": last})))


def test_a_material_is_found_by_its_gtin_of_14_digits_and_by_every_part_number(tmp_path: Path) -> None:
    materials = [
        {"material": "STEEL-4", "unit": "KGM", "gtin": "6901234567892", "supplier_parts": ["S-77", "ACME/9"]},
        {"material": "OIL", "unit": "LTR", "supplier_parts": ["S-77"]},
    ]
    assert delivered(tmp_path / "m.db", {"materials": materials})
    called = load(tmp_path / "m.db").materials_called
    found = {
        name: [one.material for one in called.get(name, ())]
        for name in ("06901234567892", "6901234567892", "S-77", "ACME/9", "STEEL-4")
    }
    assert found == {
        "06901234567892": ["STEEL-4"], "6901234567892": [], "S-77": ["OIL", "STEEL-4"], "ACME/9": ["STEEL-4"],
        "STEEL-4": [],
    }  # fmt: skip
