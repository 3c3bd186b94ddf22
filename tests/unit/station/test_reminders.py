"""People are reminded once, after the time that the site sets, and no longer than there is a reason."""

from msgspec.structs import replace

from edge.settings import Reminders
from edge.station.reminders import Look, Watch, look
from edge.station.work import Work
from tests.unit.station.floor import MASTER, Floor

SET = Reminders(
    report_after_min=5,
    report_over_percent=50,
    no_operator_after_min=10,
    no_job_after_min=5,
    no_counts_after_min=20,
    material_ahead_min=1,
)


class Reminded(Floor):
    """A floor at which one looks each minute."""

    def __init__(self, master: object = MASTER, reminders: Reminders = SET, **station: object) -> None:
        super().__init__(master, **station)
        self.site = replace(self.site, reminders=reminders)
        self.watch = Watch()

    def look(self) -> Look:
        found = look(
            Work(self.site, "OP20", self.line, self.lives["OP20"], self.master, self.now, self._new_id),
            self.watch,
        )
        self.watch = found.watch
        return found

    def minutes(self, count: int, strokes: int = 0, running: bool = True) -> list[str]:
        """Let minutes pass with so many strokes each; what is due at the end."""
        for _ in range(count):
            self.cycles += strokes
            self.wait(60).read(self.cycles, running)
            found = self.look()
        return [key.removeprefix("station.OP20.") for key in found.due]

    cycles = 100

    def begin(self, *scans: str) -> "Reminded":
        self.read(self.cycles, True)
        self.look()
        if scans:
            self.scan(*scans)
        self.look()
        return self


def opened(found: Look) -> frozenset[str]:
    """What stands already stays; whether counters jump is told by tests of their own."""
    return frozenset(key for key in found.open if ".jumps." not in key)


def test_a_quantity_that_is_made_is_to_be_reported() -> None:
    floor = Reminded().begin("LSE1042", "LSW200")
    assert floor.minutes(1, 5) == []
    assert floor.minutes(4, 1) == []
    assert floor.minutes(1, 1) == ["report.200/0020"]
    assert "made 10 of 5" in floor.look().due["station.OP20.report.200/0020"].text.en
    floor.scan("LSCDONE", "LSCOK")
    assert opened(floor.look()) == frozenset({"station.OP20.no_job"})  # nobody can tell about that yet


def test_time_beyond_the_standard_of_what_is_left_is_to_be_reported() -> None:
    """10 pieces of 30 s: 300 s, and half as much again is 450 s; five minutes later it is said."""
    orders = [{**MASTER["work_orders"][0], "operations": [  # type: ignore[index]
        {"operation": "0020", "work_center": "WC-PRESS-1", "labour_s": "30"}]}]  # fmt: skip
    floor = Reminded(MASTER | {"work_orders": orders}, counters={}).begin("LSE1042", "LSW100")
    assert floor.minutes(12) == []
    assert floor.minutes(1) == ["report.100/0020"]
    floor.scan("LSCPART", "LSQ2", "LSCOK")
    assert floor.look().due == {}


def test_a_pause_leaves_an_overdue_report_standing_and_says_nothing_new() -> None:
    floor = Reminded().begin("LSE1042", "LSW100")
    assert floor.minutes(8, 5) == ["report.100/0020"]
    floor.scan("LSCPAUSE21")
    paused = floor.look()
    assert (list(paused.due), opened(paused)) == ([], {"station.OP20.report.100/0020"})


def test_an_order_without_people_is_said_until_somebody_comes() -> None:
    floor = Reminded().begin("LSE1042", "LSW200", "LSCOUT", "LSE1042")
    assert floor.minutes(9, 0) == []
    assert floor.minutes(1, 0) == ["no_operator.200/0020"]
    floor.scan("LSE1042")
    assert floor.look().due == {} and "station.OP20.no_operator.200/0020" not in floor.look().open


def test_pieces_without_an_order_are_said_until_it_is_scanned() -> None:
    floor = Reminded(automatic={"start": "off"}).begin("LSE1042")
    assert floor.minutes(5, 3) == []
    assert floor.minutes(1, 3) == ["no_job"]
    floor.scan("LSW100")
    assert opened(floor.look()) == frozenset()


def test_a_last_stroke_after_completion_is_no_machine_at_work() -> None:
    floor = Reminded(automatic={"start": "off"}).begin("LSE1042", "LSW100")
    floor.minutes(1, 10)
    floor.scan("LSCDONE", "LSCOK")
    assert floor.minutes(1, 1) == []
    assert floor.minutes(9, 0) == [] and "station.OP20.no_job" in floor.look().open
    assert floor.minutes(1, 0) == [] and "station.OP20.no_job" not in floor.look().open


def test_an_order_whose_counter_stands_is_said_until_it_moves() -> None:
    floor = Reminded().begin("LSE1042", "LSW200")
    assert floor.minutes(3, 1) == []
    assert floor.minutes(19, 0) == []
    assert floor.minutes(1, 0) == ["no_counts.200/0020"]
    assert floor.minutes(1, 1) == [] and "station.OP20.no_counts.200/0020" not in floor.look().open


def test_a_slow_machine_has_five_cycles() -> None:
    orders = [{**MASTER["work_orders"][0], "operations": [  # type: ignore[index]
        {"operation": "0020", "work_center": "WC-PRESS-1", "machine_s": "600"}]}]  # fmt: skip
    floor = Reminded(MASTER | {"work_orders": orders}).begin("LSE1042", "LSW100")
    floor.minutes(1, 1)
    assert floor.minutes(49, 0) == []
    assert floor.minutes(1, 0) == ["no_counts.100/0020"]


def test_of_a_silent_counter_nobody_can_tell() -> None:
    floor = Reminded().begin("LSE1042", "LSW200")
    floor.minutes(1, 1)
    floor.wait(1500).read(good=False)
    found = floor.look()
    assert (found.due, opened(found)) == ({}, {"station.OP20.no_counts.200/0020"})


def test_a_restart_neither_says_nor_takes_back_what_it_cannot_know() -> None:
    floor = Reminded().begin("LSE1042", "LSW200")
    floor.minutes(21, 0)
    floor.restart()
    floor.watch = Watch()
    floor.read(floor.cycles, True)
    found = floor.look()
    assert (found.due, opened(found)) == ({}, {"station.OP20.no_counts.200/0020"})
    assert floor.minutes(20, 0) == ["no_counts.200/0020"]


def test_a_mounted_lot_that_ends_before_the_order_is_said_in_time() -> None:
    """3 kg at 0.1 kg a piece make 30 pieces; below 30 pieces of 2 s there is less than a minute left."""
    line = {"line": "20", "operation": "0020", "material": "OIL", "quantity": "100", "unit": "GRM",
            "method": "backflushed"}  # fmt: skip
    orders = [{**MASTER["work_orders"][0], "quantity": "50", "bom": [line]}]  # type: ignore[index]
    oil = {"material": "OIL", "unit": "KGM",
           "units": [{"unit": "GRM", "numerator": "1", "denominator": "1000"}]}  # fmt: skip
    lots = [
        {"material": "OIL", "lot": "O1", "quantity": "4"},
        {"material": "OIL", "lot": "O2", "quantity": "3"},
    ]
    master = MASTER | {"work_orders": orders, "lots": lots, "materials": [oil]}
    floor = Reminded(master).begin("LSE1042", "LSW100", "LSL O1")
    assert floor.minutes(2, 5) == []  # 30 pieces last 60 s
    assert floor.minutes(1, 1) == ["material.100/0020.20"]
    assert "lasts for 29 pcs" in next(iter(floor.look().due.values())).text.en
    floor.scan("LSL O2")
    assert floor.look().due == {}


def test_material_that_lasts_to_the_end_of_the_order_is_no_reason() -> None:
    line = {"line": "20", "operation": "0020", "material": "OIL", "quantity": "1", "unit": "LTR",
            "method": "backflushed"}  # fmt: skip
    orders = [{**MASTER["work_orders"][0], "bom": [line]}]  # type: ignore[index]
    floor = Reminded(MASTER | {"work_orders": orders}).begin("LSE1042", "LSW100", "LSL O1")
    assert floor.minutes(2, 4) == []  # 12 l for the last 2 pieces


def test_nought_minutes_mean_never() -> None:
    never = Reminders.model_validate(dict.fromkeys(Reminders.model_fields, 0))
    floor = Reminded(reminders=never).begin("LSE1042", "LSW100", "LSCOUT", "LSE1042")
    assert floor.minutes(60, 1) == [] and floor.look().open == frozenset()


def test_an_order_begun_at_a_machine_that_stood_has_its_whole_time() -> None:
    floor = Reminded(automatic={"start": "off"}).begin("LSE1042")
    floor.minutes(1, 1)
    floor.minutes(30, 0)
    floor.scan("LSW200")
    assert floor.minutes(19, 0) == []
    assert floor.minutes(2, 0) == ["no_counts.200/0020"]


def test_strokes_of_the_order_before_are_none_without_an_order() -> None:
    floor = Reminded(automatic={"start": "off"}).begin("LSE1042", "LSW200")
    floor.minutes(1, 5)
    floor.scan("LSCDONE", "LSCOK")
    assert floor.minutes(6, 0) == [] and floor.minutes(1, 1) == []
