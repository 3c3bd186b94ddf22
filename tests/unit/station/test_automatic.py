"""What the machine's movement may do by itself: off, propose, on."""

from typing import Any

import pytest

from edge import events as e
from tests.unit.station.floor import MASTER, Floor


def order(number: str, due: str | None = None, **more: object) -> dict[str, object]:
    return {
        "work_order": number, "product": "COVER-2", "quantity": "5", "unit": "C62",
        "operations": [{"operation": "0020", "work_center": "WC-PRESS-1"}],
    } | ({"due": due} if due else {}) | more  # fmt: skip


ORDERS = [
    order("LATE", "2026-12-01T00:00:00Z"),
    order("NEXT", "2026-11-23T00:00:00Z"),
    order("HELD", "2026-11-20T00:00:00Z", status="held"),
    order("MADE", "2026-11-20T00:00:00Z", confirmed_quantity="5"),
    order("AWAY", "2026-11-20T00:00:00Z", operations=[{"operation": "0020", "work_center": "WC-X"}]),
]


def press(automatic: dict[str, Any], *scans: str, **station: object) -> Floor:
    floor = Floor(MASTER | {"work_orders": ORDERS}, automatic=automatic, **station)  # type: ignore[operator]
    floor.read(cycles=500, running=False)
    if scans:
        floor.scan(*scans)
    return floor


def run(floor: Floor, seconds: int, cycles: int, running: bool = True) -> None:
    """A reading a second, a stroke each while running."""
    for second in range(seconds):
        floor.wait(1).read(cycles=cycles + (second + 1) * running, running=running)


def test_a_running_machine_proposes_the_order_that_is_due_first() -> None:
    floor = press({}, "LSE1042")
    run(floor, 3, 500)
    assert floor.view().state == "confirm"
    assert floor.view().next.en == "Start WO NEXT / 0020? Scan OK, or another work order"
    assert floor.scan("LSCOK").message.en == "WO NEXT started"
    run(floor, 2, 503)
    assert floor.scan("LSCDONE").message.en == "Good 5 = 0 + 5 new", "with the strokes since the proposal"
    assert floor.facts(e.CountUnattributed) == []
    (started,) = floor.facts(e.WorkStarted)
    assert started.origin == "scan" and started.actor == "1042"


def test_a_proposal_without_an_answer_ends_and_the_strokes_wait() -> None:
    floor = press({}, "LSE1042")
    run(floor, 100, 500)
    assert floor.station.job is None and floor.lives["OP20"].pending is None, "proposed once, not again"
    run(floor, 31, 600, running=False)
    lost = floor.facts(e.CountUnattributed)
    assert sum(f.delta or 0 for f in lost if isinstance(f, e.CountUnattributed)) == 100


def test_it_is_proposed_again_after_the_machine_stood() -> None:
    floor = press({}, "LSE1042")
    run(floor, 100, 500)
    run(floor, 10, 600, running=False)
    run(floor, 3, 600)
    assert floor.view().next.en.startswith("Start WO NEXT")


def test_another_order_answers_the_proposal() -> None:
    floor = press({}, "LSE1042")
    run(floor, 3, 500)
    assert floor.scan("LSWLATE").message.en == "WO LATE started"
    assert floor.lives["OP20"].pending is None and floor.job.work_order == "LATE"


def test_nothing_is_proposed_to_nobody_or_where_it_is_off() -> None:
    for floor in (press({}), press({"start": "off"}, "LSE1042")):
        run(floor, 40, 500)
        assert floor.lives["OP20"].pending is None
        assert floor.facts(e.CountUnattributed)


def test_a_station_with_only_a_counter_proposes_by_its_movement() -> None:
    floor = press({}, "LSE1042", signals={})
    floor.wait(5).read(cycles=501)
    assert floor.view().next.en.startswith("Start WO NEXT")


def test_on_starts_by_itself_and_the_first_strokes_are_the_orders() -> None:
    floor = press({"start": "on"})
    run(floor, 5, 500)
    (started,) = floor.facts(e.WorkStarted)
    assert (started.work_order, started.origin, started.actor) == ("NEXT", "signal", None)
    run(floor, 40, 505)
    assert floor.job.counted["good"] >= 30 and floor.facts(e.CountUnattributed) == []


def test_what_was_completed_here_is_not_started_again() -> None:
    floor = press({"start": "on"}, "LSE1042")
    for number in ("NEXT", "LATE"):
        run(floor, 5, 500)
        assert floor.job.work_order == number
        run(floor, 5, 505, running=False)
        floor.scan("LSCDONE", "LSCOK")
        floor.read(cycles=500, running=False)
        floor.restart()
    run(floor, 5, 500)
    assert floor.station.job is None, "nothing is left that may run here"


def test_a_completion_taken_back_may_be_gone_on_with() -> None:
    floor = press({}, "LSE1042", "LSWNEXT", "LSCDONE", "LSQ5", "LSQ5", "LSCOK")
    assert floor.station.finished == (("NEXT", "0020"),)
    floor.scan("LSCUNDO", "LSCOK")
    assert floor.station.finished == ()


PAUSES = {"pause": "on", "pause_after_s": 120}


def test_a_standing_machine_pauses_its_job_and_a_running_one_resumes_it() -> None:
    floor = press(PAUSES, "LSE1042", "LSWNEXT")
    run(floor, 10, 500)
    run(floor, 122, 510, running=False)
    assert floor.job.paused is None
    run(floor, 3, 510, running=False)
    assert floor.job.paused == "standstill"
    (paused,) = floor.facts(e.WorkPaused)
    assert paused.origin == "signal"
    run(floor, 1000, 510, running=False)
    assert len(floor.facts(e.WorkPaused)) == 1
    run(floor, 3, 510)
    assert floor.job.paused is None
    run(floor, 2, 513)
    assert floor.scan("LSCDONE").message.en == "Good 15 = 0 + 15 new"


def test_a_pause_by_a_person_is_theirs_to_end() -> None:
    floor = press(PAUSES, "LSE1042", "LSWNEXT", "LSCPAUSE21")
    run(floor, 10, 500)
    assert floor.job.paused == "21"


def test_a_pause_by_the_machine_ends_after_a_restart_too() -> None:
    floor = press(PAUSES, "LSE1042", "LSWNEXT")
    run(floor, 130, 500, running=False)
    floor.restart()
    run(floor, 5, 500)
    assert floor.job.paused is None


@pytest.mark.parametrize("scans", [("LSCSETUP",), ()])
def test_set_up_and_a_silent_machine_are_no_standstill(scans: tuple[str, ...]) -> None:
    floor = press(PAUSES, "LSE1042", "LSWNEXT", *scans)
    for _ in range(300):
        floor.wait(1).read(cycles=500, running=False, good=bool(scans))
    assert floor.job.paused is None


def test_a_pause_is_proposed_once_and_ok_makes_it() -> None:
    floor = press(PAUSES | {"pause": "propose", "pause_reason": "21"}, "LSE1042", "LSWNEXT")
    run(floor, 124, 500, running=False)
    assert floor.view().next.en == "Pause? Scan OK, or a pause reason"
    assert floor.scan("LSCOK").message.en == "Paused: 21 No material"
    (paused,) = floor.facts(e.WorkPaused)
    assert paused.origin == "scan" and floor.job.paused == "21"
    run(floor, 5, 500)
    assert floor.job.paused == "21", "a person made it, a person ends it"


def test_a_pause_reason_answers_the_proposal() -> None:
    floor = press(PAUSES | {"pause": "propose"}, "LSE1042", "LSWNEXT")
    run(floor, 124, 500, running=False)
    assert floor.scan("LSCPAUSE21").message.en == "Paused: 21 No material"
    assert floor.lives["OP20"].pending is None


def test_a_proposed_pause_without_an_answer_is_not_repeated_while_the_machine_stands() -> None:
    floor = press(PAUSES | {"pause": "propose"}, "LSE1042", "LSWNEXT")
    run(floor, 600, 500, running=False)
    assert floor.lives["OP20"].pending is None and floor.facts(e.WorkPaused) == []
    run(floor, 5, 500)
    run(floor, 130, 505, running=False)
    assert floor.view().next.en.startswith("Pause?")


def test_by_default_a_standing_machine_pauses_nothing() -> None:
    floor = press({}, "LSE1042", "LSWNEXT")
    run(floor, 600, 500, running=False)
    assert floor.job.paused is None and floor.lives["OP20"].pending is None
