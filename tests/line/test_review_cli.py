"""`lineside review` against a served collector with something to settle."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.events import WorkCorrected, WorkReported, decode
from edge.masterdata import MasterData, parse
from edge.readings import Quality, Reading
from tests.line.plant import invoke
from tests.unit.station.floor import MASTER
from tests.unit.web.rig import Rig, rigged


@dataclass
class Floor:
    rig: Rig
    config: Path

    async def review(self, *arguments: str) -> tuple[int, str, str]:
        return await invoke("review", *arguments, "--config", self.config)

    async def waiting(self) -> list[str]:
        code, out, _ = await self.review("list", "--json")
        assert code == 0
        return [one["id"] for one in json.loads(out)["waiting"]]

    async def scan(self, *texts: str) -> None:
        for text in texts:
            self.rig.clock.advance(5)
            assert (await self.rig.collector.typed("OP20", text)).good, text

    async def stray(self, *counts: int) -> None:
        """Pieces without an order."""
        for cycles in counts:
            reading = Reading("press1", "cycles", cycles, Quality.good, self.rig.clock.now())
            self.rig.collector.readings([reading])
            await self.rig.collector.turn()
            self.rig.clock.advance(31)
            self.rig.collector.tick()
            await self.rig.collector.turn()


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with rigged(tmp_path) as rig:
        config = tmp_path / "lineside.toml"
        config.write_text(
            '[edge]\nid = "e"\nsite = "s"\nline = "L3"\ntimezone = "Asia/Shanghai"\n'
            f'data_dir = "{rig.journal.path.parent}"\n'
            f'[web]\nlisten = "{rig.url.removeprefix("http://")}"\n'
        )
        yield Floor(rig, config)


async def test_an_entry_is_listed_shown_and_split_by_the_end_of_its_id(floor: Floor) -> None:
    await floor.stray(500, 512)
    (id_,) = await floor.waiting()
    code, out, _ = await floor.review("list")
    assert code == 0 and id_[-8:] in out
    code, out, _ = await floor.review("show", id_[-8:])
    assert code == 0 and "500 → 512" in out and "raw_from" in out
    parts = ("--part", "9 100/0020", "--part", "2 100/0020 scrap 04", "--part", "1")
    code, out, err = await floor.review("split", id_[-8:], "--person", "1043", *parts)
    assert (code, err) == (1, "") and "may not do this" in out  # 1043 has no role
    assert await floor.waiting() == [id_]


async def test_who_may_settles_and_the_list_is_empty(floor: Floor) -> None:
    people = [{"person": "2001", "roles": ["shift_leader"]}]
    document = json.dumps(MASTER | {"people": people}).encode()
    floor.rig.collector.masterdata.now = MasterData(parse(document), "etag-2")
    await floor.stray(500, 512)
    (id_,) = await floor.waiting()
    parts = ("--part", "9 100/0020", "--part", "2 100/0020 scrap 04", "--part", "1")
    code, out, err = await floor.review("split", id_, "--person", "2001", *parts)
    assert (code, err) == (0, ""), out
    assert (await floor.rig.facts())[-3:] == ["work.reported.v1", "work.reported.v1", "review.settled.v1"]
    assert await floor.waiting() == []
    entry = ("--station", "OP20", "--order", "100/0020", "--person", "2001", "--note", "gun broken")
    made = ("--time", "2026-11-22T09:30", "--good", "5", "--material", "STEEL-4 2 lot=A1")
    code, out, err = await floor.review("makeup", *entry, *made, "--labour", "2001 60", "--json")
    assert (code, err) == (0, ""), out
    assert [one["type"] for one in json.loads(out)["events"]] == [
        "lineside.work.reported.v1",
        "lineside.material.consumed.v1",
        "lineside.review.settled.v1",
    ]


async def test_a_correction_a_reversal_and_four_eyes(floor: Floor) -> None:
    people = [{"person": "1042", "roles": ["operator"]}, {"person": "2001", "roles": ["shift_leader"]}]
    document = json.dumps(MASTER | {"people": people}).encode()
    floor.rig.collector.masterdata.now = MasterData(parse(document), "etag-2")
    await floor.scan("LSE1042", "LSW100")
    for way, given in (("reassign", ("--quantity", "5", "--lot", "A1")), ("reverse", ())):
        await floor.scan("LSL A1", "LSQ50")
        (id_,) = await floor.waiting()
        code, out, _ = await floor.review("show", id_[-8:])
        assert code == 0 and "category   more material than the BOM asks for" in out
        code, out, err = await floor.review(way, id_[-8:], "--person", "2001", *given)
        assert (code, err) == (0, ""), out
        assert await floor.waiting() == []
    assert (await floor.rig.facts())[2:] == [
        "material.consumed.v1", "work.corrected.v1", "material.consumed.v1", "review.settled.v1",
        "material.consumed.v1", "work.corrected.v1", "review.settled.v1",
    ]  # fmt: skip
    entry = ("--station", "OP20", "--order", "100/0020", "--person", "1042", "--note", "gun broken")
    made = ("--time", "2026-11-22T09:30", "--scrap", "2 04")
    code, out, err = await floor.review("makeup", *entry, *made)
    assert (code, err) == (1, "") and "1042 needs a second person" in out
    code, out, err = await floor.review("makeup", *entry, *made, "--approved-by", "2001")
    assert (code, err) == (0, ""), out


async def test_a_fact_is_corrected_by_the_end_of_its_id(floor: Floor) -> None:
    leader = [{"person": "1042"}, {"person": "1001", "roles": ["shift_leader"]}]
    document = json.dumps(MASTER | {"people": leader}).encode()
    floor.rig.collector.masterdata.now = MasterData(parse(document), "etag-2")
    await floor.scan("LSE1042", "LSW100", *["LSCSCRAP04"] * 16)
    events = [decode(body) for _, body in await floor.rig.journal.read_after(0, 100)]
    last = next(one.id for one in reversed(events) if isinstance(one.data, WorkReported))
    given = ("--reverse", "--person", "1001", "--note", "it was good")
    for named in ("no-such-fact", ""):
        code, _, err = await floor.review("correct", named, *given)
        assert code == 2 and f"No fact of the present journal ends in {named!r}. Nothing recorded" in err
        assert "outbox list" in err and "events tail --json" in err
    ends = Counter(one.id[-1] for one in events)  # of sixteen hex digits one is there twice
    code, _, err = await floor.review("correct", ends.most_common(1)[0][0], *given)
    assert code == 2 and "facts of the present journal end in" in err and "Nothing recorded" in err
    code, out, err = await floor.review("correct", last[-12:], *given)
    assert (code, err) == (0, ""), out
    (corrected,) = [
        one.data.corrects
        for _, body in await floor.rig.journal.read_after(len(events), 100)
        if isinstance((one := decode(body)).data, WorkCorrected)
    ]
    assert corrected == last


async def test_shifts_are_summed_by_station(floor: Floor) -> None:
    await floor.stray(500, 512)
    await floor.scan("LSE1042", "LSW100", "LSCSCRAP04")
    code, out, err = await invoke("shifts", "--json", "--config", floor.config)
    assert (code, err) == (0, "")
    (row,) = json.loads(out)["shifts"]
    assert (row["production_date"], row["shift"], row["station"]) == ("2026-11-22", "day", "OP20")
    assert [(one["quantity"], one["unit"]) for one in row["scrap"]] == [("1", "C62")]
    assert [one["quantity"] for one in row["unattributed"]] == ["12"]
    assert (row["good"], row["waiting"]) == ([], 1)
    code, out, _ = await invoke("shifts", "--config", floor.config)
    assert code == 0 and "OP20" in out and "12 pcs" in out
    code, out, _ = await invoke("shifts", "--station", "OP30", "--json", "--config", floor.config)
    assert (code, json.loads(out)["shifts"]) == (0, [])
