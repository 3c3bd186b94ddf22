"""Every colour that carries text has a contrast of at least 7:1 (WCAG 2, 1.4.6)."""

import re
from pathlib import Path

import pytest

from edge.web import pages

CSS = "\n".join(path.read_text() for path in sorted(pages.STATIC.glob("*.css")))
COLOURS = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", CSS))
PAIRS = [
    *[(text, ground) for text in ("ink", "quiet") for ground in ("ground", "panel", "white")],
    ("good", "panel"),
    *[("white", ground) for ground in ("good", "bad", "doubt", "alarm", "ink")],
]


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_is_readable_on_its_ground(text: str, ground: str) -> None:
    assert contrast(COLOURS[text], COLOURS[ground]) >= 7.0


def test_no_colour_is_used_beside_the_measured_ones() -> None:
    named = {name for pair in PAIRS for name in pair}
    assert set(re.findall(r"var\(--(\w+)\)", CSS)) - {"line"} <= named  # "line" carries no text
    used = re.sub(r"--\w+: #[0-9a-f]{6}", "", CSS)
    assert not re.search(r"#[0-9a-f]{3,8}\b(?=[;\s])|rgb|hsl", used)


def test_the_formula_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_shipped_pages_are_found() -> None:
    assert Path(pages.STATIC, "station.css").is_file()
