"""The agent against an endpoint that knows nothing of lineside: each of its rudenesses alone, then all."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.contract.uplink import foreign
from tests.contract.uplink.foreign import RUDENESSES, Foreign, Rudeness
from tests.contract.uplink.rig import Rig, facts, rigged


async def delivered(rig: Rig, erp: Foreign) -> None:
    await rig.deliver(url=erp.url, answer_timeout_s=5.0)
    held = [(one.seq, one.id) for one in erp.posted()]
    assert held == [one for one in await rig.expected() if one[1] not in {w.id for w in rig.quarantine}]


@pytest.mark.parametrize("how", RUDENESSES)
async def test_each_is_posted_once_in_order_though_half_the_calls_meet(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "RUDENESSES", (how,))
    with Foreign(tmp_path / "erp.db", Rudeness(7, share=0.5)) as erp:
        async with rigged(tmp_path, 60, batch_events=7) as rig:
            await delivered(rig, erp)
            assert erp.rudeness.met[how] > 0 and rig.quarantine == []


async def test_a_rejected_fact_waits_alone(tmp_path: Path) -> None:
    with Foreign(tmp_path / "erp.db", Rudeness(7, share=0.5, rejects=lambda seq: seq % 13 == 0)) as erp:
        async with rigged(tmp_path, 60, batch_events=7) as rig:
            await delivered(rig, erp)
            assert [one.seq for one in rig.quarantine] == [13, 26, 39, 52]
            assert rig.quarantine[0].problem == {"title": "期间已关闭"}


@pytest.mark.parametrize("encodings", [("identity",), ("gzip",), ("gzip", "identity")])
async def test_an_encoding_that_it_takes_is_found(encodings: tuple[str, ...], tmp_path: Path) -> None:
    with Foreign(tmp_path / "erp.db", Rudeness(encodings=frozenset(encodings), events_max=20)) as erp:
        async with rigged(tmp_path, 60) as rig:
            await delivered(rig, erp)
            assert rig.quarantine == []


async def test_a_number_with_another_id_is_a_fork_and_halts(tmp_path: Path) -> None:
    with Foreign(tmp_path / "erp.db") as erp:
        async with rigged(tmp_path, 10) as rig:
            event = {"id": "another", "source": rig.journal.source, "sequence": f"{4:020d}"}
            await asyncio.to_thread(erp.take, [event], False)
            rig.start(url=erp.url)
            await rig.until(lambda: rig.status is not None and rig.status.state == "halted")
            assert [one.id for one in erp.posted()].count("another") == 1


async def test_a_fact_is_posted_soon_after_its_commit(tmp_path: Path) -> None:
    """The agent wakes by itself: no tick of a second lies between commit and posting."""
    with Foreign(tmp_path / "erp.db") as erp:
        async with rigged(tmp_path, 2) as rig:
            rig.start(url=erp.url)
            await rig.drained()
            took_s = []
            for number in range(7):
                before = time.monotonic()
                await rig.append(*facts(1, first=100 + number))
                await rig.drained()
                took_s.append(time.monotonic() - before)
            assert min(took_s) < 0.1
