"""`lineside scan-test`: what a code is said to be, and that nothing is recorded or taken away."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.line.plant import Line, invoke, line

GTIN = "06901234567892"


async def taken(text: str, *more: object) -> tuple[int, dict[str, Any]]:
    code, out, err = await invoke("scan-test", "--text", text, "--json", *more)
    assert err == ""
    return code, json.loads(out)


def said(meaning: dict[str, Any]) -> dict[str, Any]:
    """A meaning without what it leaves open."""
    return {key: value for key, value in meaning.items() if value not in (None, [])}


@pytest.mark.parametrize(
    ("text", "content", "meaning"),
    [
        ("LSW10045678 0020", "text", {"type": "order", "work_order": "10045678", "operation": "0020"}),
        ("]C0LSQ12D5 KGM", "text", {"type": "amount", "quantity": "12.5", "unit": "KGM"}),
        (
            f"]C101{GTIN}10A2207<GS>3010",
            "gs1",
            {"type": "label", "gtin": GTIN, "lot": "A2207", "amounts": [{"quantity": "10", "unit": "C62"}]},
        ),
        ("]C192PAUSE21", "gs1", {"type": "command", "name": "PAUSE", "reason": "21"}),
        (
            "[)><RS>06<GS>PSTEEL-4<GS>Q100<RS><EOT>",
            "iso15434",
            {"type": "label", "material": "STEEL-4", "amounts": [{"quantity": "100", "unit": None}]},
        ),
        ("[)><RS>06<GS>1H1042<RS><EOT>", "iso15434", {"type": "badge", "badge": "1042"}),
        (f"https://id.gs1.org/01/{GTIN}", "digital-link", {"type": "label", "gtin": GTIN}),
        ("钢带", "text", {"type": "unrecognised", "text": "钢带"}),
    ],
)
async def test_a_text_is_taken_to_pieces(text: str, content: str, meaning: dict[str, Any]) -> None:
    code, found = await taken(text)
    assert (code, found["content"]) == (0, content)
    assert said(found["meaning"]) == meaning


async def test_a_sites_own_rule_is_named_with_what_it_makes_of_a_code(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        rule = """[[grammar]]\nname = "box"\npattern = 'K/(?P<lot>[A-Z]+\\d+)'\n"""
        floor.config.write_text(floor.config.read_text() + rule)
        code, found = await taken("K/A2207", "--config", floor.config)
    assert (code, found["rule"]) == (0, "box")
    assert said(found["meaning"]) == {"type": "lot", "lot": "A2207"}


async def test_elements_bytes_and_kind_are_shown_and_no_control_character_reaches_the_terminal() -> None:
    code, out, _ = await invoke("scan-test", "--text", rf"]d201{GTIN}10A2207\x1d17270131")
    assert code == 0
    shown = dict(row.split(maxsplit=1) for row in out.splitlines() if not row.startswith(" "))
    assert shown["code"] == rf"01{GTIN}10A2207\x1d17270131"
    assert shown["bytes"].startswith("30 31 30 36 39")
    assert shown["kind"] == "]d2  GS1 DataMatrix"
    assert "(10) A2207  BATCH/LOT" in out
    assert "(17) 270131  = 2027-01-31" in out
    assert f"label: gtin {GTIN}, lot A2207" in out
    assert all(char.isprintable() or char == "\n" for char in out)


@pytest.mark.parametrize(
    ("text", "content", "why"),
    [
        (f"01{GTIN}10A220717270131", "ambiguous", "A220717270131 may be (10) A2207 (17) 270131"),
        ("[)>06PSTEEL", "ambiguous", "RS is missing"),
        ("]C10106901234567893", "malformed", "check digit"),
    ],
)
async def test_a_code_that_says_nothing_certain_is_code_1_with_the_reason(
    text: str, content: str, why: str
) -> None:
    code, found = await taken(text)
    assert (code, found["content"], why in found["why"]) == (1, content, True), found


async def test_a_text_is_judged_as_from_a_line_and_what_a_keyboard_would_lose_is_said() -> None:
    code, found = await taken(f"01{GTIN}10A22073010")
    assert (code, found["content"]) == (0, "gs1")
    assert {one["key"]: one["value"] for one in found["elements"]} == {"01": GTIN, "10": "A22073010"}
    assert "A22073010 may be (10) A" in found["keyboard"]
    _, shown, _ = await invoke("scan-test", "--text", f"01{GTIN}10A22073010")
    assert "in keyboard mode it is refused: (10) A22073010 may be" in shown
    _, sure = await taken(f"01{GTIN}10A2207<GS>3010")
    assert "keyboard" not in sure


@pytest.mark.parametrize("arguments", [[], ["-t", "x", "-d", "gun1"], ["--beep", "loud", "-t", "x"]])
async def test_wrong_usage_is_code_2(arguments: list[str]) -> None:
    code, out, err = await invoke("scan-test", *arguments)
    assert code == 2
    assert out or err


async def test_help_teaches() -> None:
    code, out, _ = await invoke("scan-test", "--help")
    assert code == 0
    assert all(word in out for word in ("--device", "--text", "--config", "--json", "Nothing is recorded"))


async def scanned(floor: Line, code: bytes, *arguments: str) -> tuple[int, str, str]:
    """scan-test at the line's gun, which sends `code` until the command has ended."""
    command = asyncio.create_task(
        invoke("scan-test", "--config", floor.config, "--device", "gun1", *arguments)
    )
    while not command.done():
        await floor.gun.send(code)
        await asyncio.wait([command], timeout=0.02)
    return command.result()


async def test_a_scanner_of_the_configuration_is_shown_and_nothing_is_recorded(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        code, out, err = await scanned(floor, b"]C0LSE1042\r", "-n", "1", "--json")
        assert code == 0, err
        found = json.loads(out)
        assert (found["symbology"], found["meaning"]) == ("]C0", {"type": "badge", "badge": "1042"})
        assert not floor.journal.exists()


@pytest.mark.parametrize("beep", ["bad", "good"])
async def test_the_scanner_hears_bad_unless_the_person_asks_for_good(tmp_path: Path, beep: str) -> None:
    async with line(tmp_path) as floor:
        more = () if beep == "bad" else ("--beep", beep)
        code, _, _ = await scanned(floor, b"LSE1042\r", "-n", "20", *more)
        assert code == 0
        sent = floor.gun.feedback.good if beep == "good" else floor.gun.feedback.bad
        assert floor.gun.heard.replace(sent, b"") == b""
        assert floor.gun.heard


async def test_garbage_from_a_scanner_is_code_1_with_its_bytes(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        code, out, _ = await scanned(floor, b"\xff\xfe\r", "-n", "1")
    assert code == 1
    assert "ff fe" in out and "garbage" in out


async def test_a_scanner_that_is_not_there_is_code_3_with_what_to_do(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        floor.gun.unplug()
        code, _, err = await invoke("scan-test", "--config", floor.config, "-d", "gun1")
    assert code == 3
    assert "is not there. Plug the scanner in" in err


async def test_no_scan_within_the_time_is_code_1(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        code, _, _ = await invoke(
            "scan-test", "--config", floor.config, "-d", "gun1", "-n", "1", "--wait", "0.1"
        )
    assert code == 1


@pytest.mark.parametrize("name", ["press1", "gun9"])
async def test_what_is_no_scanner_is_code_2_with_the_scanners(tmp_path: Path, name: str) -> None:
    async with line(tmp_path) as floor:
        code, _, err = await invoke("scan-test", "--config", floor.config, "-d", name)
    assert code == 2
    assert "Scanners: gun1" in err


async def test_a_scanner_that_the_collector_reads_is_left_to_it(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        code, _, err = await invoke("scan-test", "--config", floor.config, "-d", "gun1")
        assert code == 1
        assert "The collector runs" in err and "lineside events samples --device gun1" in err
        await floor.sign_on()  # it still has its gun
