"""The table of docs/situations.md, made from the folders: `python -m tests.golden.table` renews it."""

import re
from collections.abc import Iterator
from pathlib import Path

from edge.replay.folder import INPUTS, STORY, title

GOLDEN = Path("tests/golden")
PAGE = Path("docs/situations.md")
_TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- /table -->)", re.DOTALL)


def folders() -> Iterator[Path]:
    """Every situation, by name."""
    yield from sorted(path.parent for path in GOLDEN.rglob(INPUTS))


def page() -> str:
    """The page with its table as the folders have it."""
    return _TABLE.sub(lambda _: _rows(), PAGE.read_text(encoding="utf-8"))


def _rows() -> str:
    rows = ["| | situation | what is shown |", "|---|---|---|"]
    for number, folder in enumerate(folders(), 1):
        name = folder.relative_to(GOLDEN).as_posix()
        rows.append(f"| {number} | [{title(folder)}](../{GOLDEN}/{name}) | {_shown(folder)} |")
    return "\n".join(rows) + "\n"


def _shown(folder: Path) -> str:
    """The first paragraph of the story, on one line."""
    story = (folder / STORY).read_text(encoding="utf-8")
    paragraphs = [one for one in story.split("\n\n") if one.strip() and not one.startswith("#")]
    return " ".join(paragraphs[0].split()).replace("|", "\\|") if paragraphs else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
