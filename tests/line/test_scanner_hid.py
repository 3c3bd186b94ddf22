"""A scanner in keyboard mode, above the library that opens the device: what keys mean, what spoils a code."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.barcode.framing import Flaw
from drivers.barcode.hid import HidScannerDriver
from drivers.barcode.keymap import DOWN, KEYS, LAYOUTS, REPEAT, UP, Layout, Typist
from drivers.barcode.settings import HidScannerSettings
from drivers.barcode.simulator import Wedge
from drivers.registry import KINDS, build
from tests.contract.observing import TestClock, serving

CODES = {key: code for code, key in KEYS.items()}


def driver(wedge: Wedge, **more: Any) -> HidScannerDriver:
    table = {"driver": "scanner-hid", "device": "/dev/input/by-id/gun"} | more
    return HidScannerDriver("gun1", HidScannerSettings.model_validate(table), TestClock(), wedge.opened)


@pytest.fixture
def wedge() -> Wedge:
    one = Wedge()
    one.plug()
    return one


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_codes_arrive_as_they_were_printed_whatever_keyboard_the_scanner_plays(layout: Layout) -> None:
    wedge = Wedge(layout)
    wedge.plug()
    codes = ["LSW10045678 0020", "LSL A2207", "LSQ12D5 KGM", "a-z_A-Z:.,;!$%&/()=", "[]>{}\\|@#"]
    async with serving(driver(wedge, layout=layout)) as told:
        await told.until_up()
        for code in codes:
            wedge.scan(code)
        await told.until(lambda: len(told.scans) == len(codes))
        wedge.unplug()
    assert told.texts == codes


def test_the_keys_have_the_numbers_of_the_kernel() -> None:
    known = {
        "1": 2, "0": 11, "Q": 16, "ENTER": 28, "A": 30, "GRAVE": 41, "LEFTSHIFT": 42, "BACKSLASH": 43,
        "Z": 44, "SLASH": 53, "RIGHTSHIFT": 54, "SPACE": 57, "CAPSLOCK": 58, "KP7": 71, "KP0": 82,
        "KPDOT": 83, "102ND": 86, "KPENTER": 96, "RIGHTCTRL": 97, "KPSLASH": 98, "RIGHTALT": 100,
    }  # fmt: skip
    assert {key: CODES[key] for key in known} == known
    assert all(len(faces) == 48 for faces in LAYOUTS.values())


async def test_a_group_separator_that_the_scanner_types_is_kept(wedge: Wedge) -> None:
    async with serving(driver(wedge)) as told:
        await told.until_up()
        wedge.scan("010690123456789210A2207\x1d3010")
        await told.until(lambda: bool(told.scans))
        wedge.unplug()
    assert told.texts == ["010690123456789210A2207\x1d3010"]


async def test_a_label_whose_separators_a_keyboard_lost_is_refused_and_not_guessed(wedge: Wedge) -> None:
    async with serving(driver(wedge)) as told:
        await told.until_up()
        wedge.scan("010690123456789210A22073010")
        wedge.scan("LSOK")
        await told.until(lambda: bool(told.scans))
        wedge.unplug()
    assert [flaw.reason for flaw in told.flaws] == ["ambiguous"]


async def test_after_events_were_lost_the_code_in_hand_is_refused_and_the_next_is_read(wedge: Wedge) -> None:
    async with serving(driver(wedge)) as told:
        await told.until_up()
        wedge.press("L", "S")
        wedge.events((0, 3, 0), (1, CODES["W"], DOWN), (0, 0, 0))  # SYN_DROPPED and what is stale behind it
        wedge.press("1", "ENTER")
        wedge.scan("LSOK")
        await told.until(lambda: bool(told.scans))
        wedge.unplug()
    assert told.texts == ["LSOK"]
    assert [(flaw.reason, flaw.raw) for flaw in told.flaws] == [("garbage", b"ls")]


async def test_a_half_code_is_given_up_after_the_silence(wedge: Wedge) -> None:
    async with serving(driver(wedge, idle_s=0.1)) as told:
        await told.until_up()
        wedge.press("1", "2")
        await told.until(lambda: bool(told.flaws))
        wedge.scan("LSOK")
        await told.until(lambda: bool(told.scans))
        wedge.unplug()
    assert [(flaw.reason, flaw.raw) for flaw in told.flaws] == [("incomplete", b"12")]
    assert told.texts == ["LSOK"]


# Keys


def typed(typist: Typist, *keys: tuple[str, int]) -> list[str | Flaw]:
    return [found for key, value in keys if (found := typist.press(key, value)) is not None]


def tap(*keys: str) -> list[tuple[str, int]]:
    return [(key, value) for key in keys for value in (DOWN, UP)]


def test_caps_lock_turns_letters_and_nothing_else() -> None:
    assert typed(Typist(), *tap("CAPSLOCK", "A", "1", "MINUS", "CAPSLOCK", "A", "ENTER")) == ["A1-a"]
    caps = [*tap("CAPSLOCK"), ("LEFTSHIFT", DOWN), *tap("A", "1"), ("LEFTSHIFT", UP), *tap("ENTER")]
    assert typed(Typist(), *caps) == ["a!"]


def test_a_shift_that_two_keys_hold_ends_with_the_second() -> None:
    keys = [
        ("LEFTSHIFT", DOWN),
        ("RIGHTSHIFT", DOWN),
        ("LEFTSHIFT", UP),
        *tap("A"),
        ("RIGHTSHIFT", UP),
        *tap("A"),
    ]
    assert typed(Typist(), *keys, *tap("KPENTER")) == ["Aa"]


@pytest.mark.parametrize("key", [("", DOWN), ("A", REPEAT)])
def test_an_unknown_or_a_held_key_spoils_the_code_and_only_that(key: tuple[str, int]) -> None:
    typist = Typist()
    assert typed(typist, *tap("1"), key, *tap("2", "ENTER", "3", "ENTER")) == [Flaw("garbage", b"1"), "3"]


def test_a_dead_key_or_ctrl_with_a_letter_spoils_the_code() -> None:
    assert typed(Typist("de"), *tap("1", "EQUAL", "ENTER")) == [Flaw("garbage", b"1")]
    assert typed(Typist(), *tap("1"), ("LEFTCTRL", DOWN), *tap("V"), ("LEFTCTRL", UP), *tap("ENTER")) == [
        Flaw("garbage", b"1")
    ]


def test_an_over_long_code_is_told_once_and_the_next_is_read() -> None:
    typist = Typist(max_length=8)
    assert typed(typist, *tap(*"1" * 500, "ENTER", "2", "ENTER")) == [Flaw("too_long", b"1" * 8), "2"]


@given(
    st.lists(
        st.tuples(st.sampled_from([*KEYS.values(), ""]), st.sampled_from([UP, DOWN, REPEAT])), max_size=200
    )
)
def test_whatever_is_typed_memory_is_bounded_and_a_code_is_a_text(keys: list[tuple[str, int]]) -> None:
    for layout in LAYOUTS:
        typist = Typist(layout, max_length=16)
        for found in typed(typist, *keys):
            assert found if isinstance(found, str) else len(found.raw) <= 64
            assert len(typist._text) <= 16


# The device


@pytest.mark.skipif(importlib.util.find_spec("evdev") is not None, reason="evdev is installed here")
async def test_without_its_library_the_person_is_told_what_to_install(tmp_path: Path) -> None:
    table = {"driver": "scanner-hid", "device": "/dev/input/event0"}
    made = build("gun1", KINDS["scanner-hid"]().model_validate(table), TestClock())
    async with serving(made) as told:
        await told.until_down()
    assert "evdev is not installed" in told.links[0].detail
    assert "lineside[hid]" in told.links[0].hint


async def test_a_scanner_that_is_pulled_out_is_told_with_what_to_do_and_its_half_code_is_evidence(
    wedge: Wedge,
) -> None:
    async with serving(driver(wedge)) as told:
        await told.until_up()
        wedge.press("1")
        wedge.unplug()
        await told.until_down()
    assert told.links[1].detail == "/dev/input/by-id/gun is gone: No such device"
    assert "/dev/input/by-id" in told.links[1].hint
    assert [(flaw.reason, flaw.raw) for flaw in told.flaws] == [("incomplete", b"1")]
