"""`lineside review` against a served collector with something to settle."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

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
            '[edge]\nid = "e"\nsite = "s"\nline = "L3"\ntimezone = "Asia/Shanghai"\ndata_dir = "data"\n'
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
