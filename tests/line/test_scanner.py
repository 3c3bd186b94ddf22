"""The scanner driver over a real pty: what the line garbles, what is pulled out, and what the gun hears."""

import asyncio
import os
import termios
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs

from drivers.barcode.driver import ScannerDriver
from drivers.barcode.settings import PRESETS, Feedback, ScannerSettings
from drivers.barcode.simulator import Gun
from tests.contract.observing import TestClock, serving
from tests.line.plant import facts, line
from tests.patience import best_of


def driver(link: Path, **more: Any) -> ScannerDriver:
    table = {"driver": "scanner-serial", "port": str(link), "feedback": "honeywell"} | more
    return ScannerDriver("gun1", ScannerSettings.model_validate(table), TestClock())


def _target(link: Path) -> Path:
    return link.readlink()


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "gun1"


async def test_codes_arrive_in_order_each_with_its_own_moment(link: Path) -> None:
    codes = [f"LSW{number}" for number in range(200)]
    async with Gun(link) as gun, serving(driver(link)) as told:
        await told.until_up()
        for code in codes:
            await gun.scan(code)
        await told.until(lambda: len(told.scans) == len(codes))
    assert told.texts == codes
    moments = [scan.received.monotonic_ms for scan in told.scans]
    assert moments == sorted(set(moments))


async def test_a_code_with_group_separators_arrives_whole(link: Path) -> None:
    code = "[)>\x1e06\x1dPSTEEL-4\x1dQ100\x1d1TA2207\x1e\x04"
    async with Gun(link, line_end=b"\r\n") as gun, serving(driver(link)) as told:
        await told.until_up()
        await gun.scan(code)
        await told.until(lambda: told.texts == [code])


async def test_the_kind_of_code_is_noted_and_is_no_part_of_the_text(link: Path) -> None:
    async with Gun(link) as gun, serving(driver(link)) as told:
        await told.until_up()
        for code in ("]C0LSW10045678", "]d20106901234567892\x1d10A2207", "LSOK"):
            await gun.scan(code)
        await told.until(lambda: len(told.scans) == 3)
    assert [(scan.symbology, scan.text) for scan in told.scans] == [
        ("]C0", "LSW10045678"),
        ("]d2", "0106901234567892\x1d10A2207"),
        (None, "LSOK"),
    ]


async def test_a_label_whose_separators_were_lost_is_refused_and_not_guessed(link: Path) -> None:
    async with Gun(link) as gun, serving(driver(link)) as told:
        await told.until_up()
        with capture_logs() as logs:
            await gun.scan("]C1010690123456789210A220717270131")
            await gun.scan("]C1")
            await gun.scan("LSOK")
            await told.until(lambda: bool(told.scans))
    assert told.texts == ["LSOK"]
    assert [flaw.reason for flaw in told.flaws] == ["ambiguous", "incomplete"]
    assert "(10) A220717270131 may be (10) A2207 (17) 270131" in logs[0]["why"]


async def test_bytes_that_dribble_in_make_one_code(link: Path) -> None:
    async with Gun(link) as gun, serving(driver(link)) as told:
        await told.until_up()
        for byte in b"LSW10045678\r\n":
            await gun.send(bytes([byte]))
            await asyncio.sleep(0)
        await told.until(lambda: bool(told.scans))
    assert told.texts == ["LSW10045678"]
    assert not told.flaws


@pytest.mark.parametrize(
    ("frame", "sent"),
    [
        ("stx-etx", b"\x02LSW10045678\x03\r\n"),
        ("idle", b"LSW10045678"),
        ({"length": 11}, b"LSW10045678\r\n"),
    ],
)
async def test_a_code_in_another_frame_arrives_without_it(link: Path, frame: Any, sent: bytes) -> None:
    async with Gun(link) as gun, serving(driver(link, frame=frame)) as told:
        await told.until_up()
        for _ in range(3):
            await gun.send(sent)
            had = len(told.scans)
            await told.until(lambda had=had: len(told.scans) > had)
    assert told.texts == ["LSW10045678"] * 3
    assert not told.flaws


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_code_that_waits_unread_on_a_busy_machine_is_not_cut_by_the_silence(link: Path, loop: Any) -> None:
    """uvloop looks at its timers before it looks at what came meanwhile."""

    def busy(gun: Gun, wire: int) -> None:
        asyncio.get_running_loop().remove_reader(wire)
        os.write(gun.wire, b"45678")
        time.sleep(1)  # the silence is due, and the rest waits to be read

    async def scanned() -> list[str]:
        wire, other = os.pipe()
        async with Gun(link) as gun, serving(driver(link, frame="idle", idle_s=0.5)) as told:
            await told.until_up()
            await gun.send(b"LSW100")
            await asyncio.sleep(0.1)
            asyncio.get_running_loop().add_reader(wire, busy, gun, wire)
            os.write(other, b"x")
            await told.until(lambda: bool(told.scans or told.flaws))
        os.close(wire)
        os.close(other)
        return told.texts

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(scanned()) == ["LSW10045678"]


async def test_garbage_is_told_and_the_next_code_is_read(link: Path) -> None:
    async with Gun(link) as gun, serving(driver(link)) as told:
        await told.until_up()
        await gun.send(b"\xff\xfe\x00\x80\r")
        await gun.scan("LSOK")
        await told.until(lambda: told.texts == ["LSOK"])
    assert [(flaw.reason, flaw.raw) for flaw in told.flaws] == [("garbage", b"\xff\xfe\x00\x80")]


async def test_a_byte_with_a_wrong_parity_is_asked_to_come_as_noise_and_not_as_another_character(
    link: Path,
) -> None:
    """A pty has no parity: what can be seen is that the system is told to check it, and what NUL leads to."""
    async with Gun(link) as gun, serving(driver(link, parity="even", bytesize=7)) as told:
        await told.until_up()
        port = os.open(_target(link), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            taken = termios.tcgetattr(port)[0]
        finally:
            os.close(port)
        assert taken & termios.INPCK and not taken & (termios.PARMRK | termios.IGNPAR)
        await gun.scan("LSQ5\x000")
        await told.until(lambda: bool(told.flaws))
    assert told.texts == [] and told.flaws[0].reason == "garbage"


async def test_an_over_long_line_is_told_once_and_the_next_code_is_read(link: Path) -> None:
    async with Gun(link) as gun, serving(driver(link, max_length=64)) as told:
        await told.until_up()
        await gun.send(b"x" * 20_000 + b"\r")
        await gun.scan("LSOK")
        await told.until(lambda: told.texts == ["LSOK"])
    assert [(flaw.reason, flaw.raw) for flaw in told.flaws] == [("too_long", b"x" * 64)]


async def test_a_half_line_is_given_up_after_the_silence_and_not_glued_to_the_next(link: Path) -> None:
    async with Gun(link) as gun, serving(driver(link, idle_s=0.1)) as told:
        await told.until_up()
        await gun.send(b"LSW100")
        await told.until(lambda: bool(told.flaws))
        await gun.scan("LSOK")
        await told.until(lambda: told.texts == ["LSOK"])
    assert [(flaw.reason, flaw.raw) for flaw in told.flaws] == [("incomplete", b"LSW100")]


async def test_a_gun_pulled_out_in_the_middle_of_a_code_leaves_its_half_as_evidence(link: Path) -> None:
    async with Gun(link) as gun, serving(driver(link)) as told:
        await told.until_up()
        await gun.send(b"LSW100\rLSW2")
        await told.until(lambda: bool(told.scans))
        gun.unplug()
        await told.until_down()
    assert [(flaw.reason, flaw.raw) for flaw in told.flaws] == [("incomplete", b"LSW2")]


async def test_a_gun_put_back_as_another_device_under_the_same_link_is_read_again(link: Path) -> None:
    async with Gun(link) as gun, serving(driver(link)) as told:
        await told.until_up()
        was = _target(link)
        gun.unplug()
        await told.until_down()
        taken, other = os.openpty()  # so that the gun gets another number
        gun.plug()
        assert _target(link) != was
        await told.until_up(times=2)
        await gun.scan("LSOK")
        await told.until(lambda: told.texts == ["LSOK"])
        os.close(taken)
        os.close(other)
    assert told.ups == [True, False, True]


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "none"])
async def test_the_gun_hears_good_and_bad_in_its_makers_words(link: Path, preset: str) -> None:
    async with Gun(link, feedback=preset) as gun:
        served = driver(link, feedback=preset)
        async with serving(served) as told:
            await told.until_up()
            served.signal("good")
            assert await gun.verdict() == "good"
            served.signal("bad")
            assert await gun.verdict() == "bad"
    assert gun.heard == b""


async def test_the_gun_hears_bytes_of_ones_own(link: Path) -> None:
    own = Feedback(good=b"\x02OK\x03", bad=b"\x02NO\x03")
    async with Gun(link, feedback=own) as gun:
        served = driver(link, feedback={"good": "\\x02OK\\x03", "bad": "hex:02 4e 4f 03"})
        async with serving(served) as told:
            await told.until_up()
            served.signal("bad")
            served.signal("good")
            assert [await gun.verdict(), await gun.verdict()] == ["bad", "good"]


async def test_without_feedback_the_gun_hears_nothing(link: Path) -> None:
    async with Gun(link, feedback="none") as gun:
        served = driver(link, feedback="none")
        async with serving(served) as told:
            await told.until_up()
            served.signal("good")
            await gun.scan("LSOK")
            await told.until(lambda: bool(told.scans))
    assert gun.heard == b""


async def test_a_gun_that_takes_no_bytes_does_not_hold_up_the_line_and_is_logged_once(link: Path) -> None:
    async with Gun(link) as gun:
        served = driver(link)
        async with serving(served) as told:
            await told.until_up()
            gun.deafen()
            with capture_logs() as logs:
                for _ in range(20_000):
                    served.signal("good")
            await gun.scan("LSOK")
            await told.until(lambda: told.texts == ["LSOK"])
    assert [line["event"] for line in logs] == ["scanner takes no feedback"]


async def test_a_port_in_use_is_told_with_who_may_hold_it(link: Path) -> None:
    async with Gun(link), serving(driver(link)) as first:
        await first.until_up()
        async with serving(driver(link)) as second:
            await second.until_down()
    assert "in use by another program" in second.links[0].detail
    assert "Stop the other program" in second.links[0].hint


async def test_a_port_that_is_no_tty_is_told_and_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"LSW1\r")
    async with serving(driver(path)) as told:
        await told.until_down()
    assert "could not be opened" in told.links[0].detail
    assert not told.scans


async def test_what_was_scanned_while_nobody_listened_is_not_read_later(link: Path) -> None:
    async with Gun(link) as gun:
        await gun.scan("LSOLD")
        async with serving(driver(link)) as told:
            await told.until_up()
            await gun.scan("LSNEW")
            await told.until(lambda: "LSNEW" in told.texts)
    assert told.texts == ["LSNEW"]


async def test_a_scan_that_nobody_listened_to_is_not_recorded_later(link: Path) -> None:
    # It got no good beep: the person takes it as not recorded and scans again.
    async with Gun(link) as gun:
        await gun.scan("LSCSCRAP04")
        async with serving(driver(link)) as told:
            await told.until_up()
            await gun.scan("LSOK")
            await told.until(lambda: bool(told.scans))
    assert told.texts == ["LSOK"]


async def test_a_gun_that_waits_for_its_answer_has_it_within_100_ms_through_the_whole_collector(
    tmp_path: Path,
) -> None:
    badges = iter(range(2000, 3000))
    async with line(tmp_path) as floor:
        await floor.start("collect")
        await floor.sign_on()

        async def answered() -> float:
            """The longest of ten answers, each after a commit."""
            longest_s = 0.0
            for _ in range(10):
                began_s = time.perf_counter()
                assert await floor.scan(f"LSE{next(badges)}") == "good"
                longest_s = max(longest_s, time.perf_counter() - began_s)
            return longest_s

        assert await best_of(answered, 0.1) < 0.1
        assert len(facts(floor.events(), "operator.signed_on")) >= 10
