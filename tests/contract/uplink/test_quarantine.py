"""Rejected facts wait for a person, and nothing of them is lost or doubled."""

import asyncio
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from sync.outcome import FORK
from sync.status import load_forks
from tests.contract.uplink import receiver as rude
from tests.contract.uplink.receiver import says
from tests.contract.uplink.rig import Rig, facts, rigged


def states(rig: Rig) -> dict[int, str]:
    return {waits.seq: waits.state for waits in rig.quarantine}


def seqs(rig: Rig) -> list[int]:
    return [seq for seq, _ in rig.receiver.posted]


async def test_a_rejected_fact_waits_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {5, 9}
        await rig.deliver()
        assert seqs(rig) == [seq for seq in range(1, 21) if seq not in (5, 9)]
        assert states(rig) == {5: "waiting", 9: "waiting"}
        assert rig.quarantine[0].problem == rig.receiver.problem
        assert rig.alerts() == ["uplink.erp.quarantine"]


async def test_a_retried_fact_is_sent_again_and_posted_once(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {5, 9}
        rig.start()
        await rig.drained()
        rig.receiver.poison = set()
        await rig.review("retried", [rig.quarantine[0].id])
        await rig.until(lambda: states(rig) == {9: "waiting"})
        await rig.review("retried", [rig.quarantine[0].id])
        await rig.until(lambda: states(rig) == {})
        await rig.drained()
        assert seqs(rig) == [*range(1, 5), 6, 7, 8, *range(10, 22), 5, 22, 9]
        assert sorted(rig.receiver.posted) == await rig.expected()
        assert rig.alerts() == []


async def test_a_retried_fact_that_is_rejected_again_waits_again(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {5}
        rig.start()
        await rig.drained()
        rig.receiver.problem = {"type": "about:blank", "title": "still bad"}
        calls = len(rig.receiver.calls)
        await rig.review("retried", [rig.quarantine[0].id])
        await rig.until(lambda: bool(rig.quarantine) and rig.quarantine[0].problem["title"] == "still bad")
        assert states(rig) == {5: "waiting"}
        await rig.stop()
        await rig.deliver()
        assert [call.seqs for call in rig.receiver.calls[calls:]] == [[21], [5]]


async def test_a_discarded_fact_is_never_sent_again(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {5}
        rig.start()
        await rig.drained()
        rig.receiver.poison = set()
        await rig.review("discarded", [rig.quarantine[0].id])
        await rig.drained()
        assert states(rig) == {} and rig.alerts() == []
        assert 5 not in seqs(rig)


async def test_decisions_about_other_things_change_nothing(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {5}
        rig.start()
        await rig.drained()
        await rig.review("accepted", [rig.quarantine[0].id])
        await rig.review("retried", ["018f0000-0000-7000-8000-000000000000"])
        await rig.drained()
        assert states(rig) == {5: "waiting"}


async def test_a_released_fact_that_is_put_off_does_not_stop_the_others(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {5}
        rig.start()
        await rig.drained()
        rig.receiver.poison = set()
        rig.receiver.always = rude.puts_off(5)
        await rig.review("retried", [rig.quarantine[0].id])
        await rig.until(lambda: states(rig) == {5: "retrying"})
        await rig.append(*facts(5, first=70))
        await rig.drained()
        rig.receiver.always = None
        rig.time.now_ms += 60_000
        await rig.until(lambda: states(rig) == {})
        assert sorted(rig.receiver.posted) == await rig.expected()


async def test_hold_order_keeps_back_what_follows_of_the_same_order(tmp_path: Path) -> None:
    async with rigged(tmp_path, 1, on_reject="hold_order", batch_events=4) as rig:
        both = zip(facts(8, "A"), facts(8, "B", first=50), strict=True)
        await rig.append(*[fact for pair in both for fact in pair])  # A is 2, 4, 6 …; B is 3, 5, 7 …
        rig.receiver.poison = {6}
        rig.start()
        await rig.drained()
        assert states(rig) == {6: "waiting", 10: "held", 12: "held", 14: "held", 16: "held"}
        assert seqs(rig) == [1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 17]  # 8 was in the call that met 6
        assert not {10, 12, 14, 16} & {seq for call in rig.receiver.calls for seq in call.seqs}

        rig.receiver.poison = {12}
        await rig.append(*facts(1, "A", first=99))
        await rig.review("retried", [rig.quarantine[0].id])
        await rig.until(lambda: states(rig) == {12: "waiting", 14: "held", 16: "held", 18: "held"})
        assert seqs(rig)[12:] == [19, 6, 10]

        await rig.review("discarded", [rig.quarantine[0].id])
        await rig.until(lambda: states(rig) == {})
        assert seqs(rig)[15:] == [20, 14, 16, 18]
        await rig.append(*facts(1, "A", first=100))
        await rig.drained()
        assert states(rig) == {} and seqs(rig)[-1] == 21
        assert sorted(rig.receiver.posted) == [one for one in await rig.expected() if one[0] != 12]


async def test_hold_order_ends_when_the_setting_changes(tmp_path: Path) -> None:
    async with rigged(tmp_path, 10, on_reject="hold_order", batch_events=4) as rig:
        rig.receiver.poison = {3}
        await rig.deliver()
        assert set(states(rig).values()) == {"waiting", "held"}
        rig.start(on_reject="continue")
        await rig.until(lambda: states(rig) == {3: "waiting"})
        assert sorted(rig.receiver.posted) == [one for one in await rig.expected() if one[0] != 3]


async def test_halt_sends_nothing_until_a_person_decides(tmp_path: Path) -> None:
    async with rigged(tmp_path, on_reject="halt", batch_events=4) as rig:
        rig.receiver.poison = {6}
        rig.start()
        await rig.until(lambda: "uplink.erp.halted" in rig.alerts())
        assert rig.seq == 8 and len(rig.receiver.calls) == 2
        await rig.stop()
        rig.start()  # a restart changes nothing
        await rig.append(*facts(3, first=600))
        rig.receiver.poison = set()
        await rig.review("retried", [rig.quarantine[0].id])
        await rig.drained()
        assert seqs(rig) == [1, 2, 3, 4, 5, 7, 8, 6, *range(9, 25)]
        assert sorted(rig.receiver.posted) == await rig.expected()
        assert rig.alerts() == [] and states(rig) == {}


async def test_halt_ends_when_the_fact_is_discarded(tmp_path: Path) -> None:
    async with rigged(tmp_path, on_reject="halt") as rig:
        rig.receiver.poison = {20}
        rig.start()
        await rig.until(lambda: "uplink.erp.halted" in rig.alerts())
        await rig.review("discarded", [rig.quarantine[0].id])
        await rig.drained()
        assert seqs(rig) == [*range(1, 20), 21] and rig.alerts() == []


async def test_every_halt_is_logged_when_it_begins_the_second_in_one_life_too(tmp_path: Path) -> None:
    async with rigged(tmp_path, on_reject="halt") as rig:
        rig.receiver.poison = {5, 15}
        with capture_logs() as logged:

            def said() -> list[str]:
                return [one["event"] for one in logged if one["event"].startswith("delivery")]

            rig.start(batch_events=6)
            for halts in (1, 2):
                await rig.until(lambda halts=halts: said().count("delivery waits") == halts)  # type: ignore[misc]
                if halts == 2:
                    rig.receiver.poison, rig.receiver.problem = {19}, {"type": FORK}
                await rig.review("discarded", [rig.quarantine[0].id])
            await rig.until(lambda: said().count("delivery waits") == 3)
        assert said() == ["delivery waits", "delivery goes on"] * 2 + ["delivery waits"]
        assert rig.seq == 18


async def test_a_fork_halts_with_an_alert_and_settles_nothing(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {7}
        rig.receiver.problem = {"type": "urn:lineside:problem:fork", "detail": "7 is another"}
        rig.start()
        await rig.until(lambda: rig.alerts() == ["uplink.erp.halted"])
        assert rig.status is not None and rig.status.seq == 6 and "7 is another" in rig.status.detail
        assert states(rig) == {} and len(rig.receiver.calls) == 1
        await rig.stop()
        rig.receiver.poison = set()
        await rig.append(*facts(30, first=100))
        rig.start()
        await rig.until(lambda: rig.status is not None and rig.status.state == "halted")
        await asyncio.sleep(0.2)
        assert len(rig.receiver.calls) == 1, "a restart of sync sends nothing behind a fork"
        assert load_forks(rig.store.path) == {rig.journal.epoch: 7}


async def test_a_fork_said_to_the_whole_call_halts_too(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:

        async def forks(*_: Any) -> Any:
            from aiohttp import web

            return web.json_response({"type": "urn:lineside:problem:fork", "title": "fork"}, status=422)

        rig.receiver.always = forks
        rig.start()
        await rig.until(lambda: rig.alerts() == ["uplink.erp.halted"])
        assert rig.seq == 0 and states(rig) == {}


async def test_a_problem_without_end_is_cut(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {3}
        rig.receiver.problem = {"title": "x" * 100_000, "trace": ["y" * 1000] * 100}
        await rig.deliver()
        assert len(rig.quarantine[0].problem_json) < 4096


async def test_isolated_rejections_count_anew_after_something_was_accepted(tmp_path: Path) -> None:
    async with rigged(tmp_path, 60) as rig:
        rig.receiver.always = rude.refuses_with(5, 20, 35, 50)
        await rig.deliver()
        assert states(rig) == dict.fromkeys((5, 20, 35, 50), "waiting")
        assert rig.time.slept_s == []


async def test_retries_are_isolated_too(tmp_path: Path) -> None:
    async with rigged(tmp_path, 30) as rig:
        rig.receiver.poison = {5, 9, 13}
        rig.start()
        await rig.drained()
        rig.receiver.poison = set()
        rig.receiver.always = rude.refuses_with(9)
        await rig.review("retried", [waits.id for waits in rig.quarantine])
        await rig.until(lambda: states(rig) == {9: "waiting"})
        assert sorted(rig.receiver.posted) == [one for one in await rig.expected() if one[0] != 9]


async def test_a_pause_survives_a_restart_and_its_alert_is_cleared_once(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.always = says(403, "no right")
        rig.start()
        await rig.until(lambda: rig.alerts() == ["uplink.erp.paused"])
        await rig.stop()
        assert rig.status is not None and rig.status.state == "paused" and "no right" in rig.status.detail
        rig.receiver.always = None
        await rig.deliver()
        assert rig.alerts() == [] and rig.alerts(standing=False) == ["uplink.erp.paused"]


async def test_released_facts_that_are_refused_again_do_not_stop_the_others(tmp_path: Path) -> None:
    async with rigged(tmp_path, 30) as rig:
        rig.receiver.poison = {5, 6, 7, 8}
        rig.start()
        await rig.drained()
        rig.receiver.poison = set()
        rig.receiver.always = rude.refuses_with(5, 6, 7, 8)
        await rig.review("retried", [waits.id for waits in rig.quarantine])
        await rig.until(lambda: set(states(rig).values()) == {"retrying"})
        await rig.until(lambda: set(states(rig).values()) == {"waiting"})
        await rig.append(*facts(3, first=70))
        await rig.drained()
        assert set(states(rig)) == {5, 6, 7, 8} and rig.time.slept_s == []
