"""Every situation of the shop floor comes to what its folder says: facts, answers, and what it costs."""

import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from edge.events import Event
from edge.replay.folder import EXPECTED, INPUTS, STORY, TOTALS
from edge.replay.totals import WAITING, Sums
from edge.replay.verdict import replayed
from edge.replay.view import text
from sync.tally import tallied
from tests.golden import table

FOLDERS = {one.relative_to(table.GOLDEN).as_posix(): one for one in table.folders()}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_situation_comes_to_what_its_folder_says(name: str) -> None:
    folder = FOLDERS[name]
    missing = [file for file in (STORY, INPUTS, EXPECTED, TOTALS) if not (folder / file).is_file()]
    assert not missing
    found = replayed(folder)
    assert [f"{one.wanted!r} expected, {one.came!r} came: {one.why}" for one in found.differences or ()] == []
    assert by_kind(found.sums) == reconciled(found.played.events)


Place = tuple[str, str, str, str, str]


def by_kind(sums: Sums) -> dict[Place, str]:
    """The sums that carry cost, as a reconciliation has them: labour of all people together."""
    found: dict[Place, Decimal] = {}
    for key, value in sums.items():
        if key.kind not in WAITING | {"other"}:
            what = "-" if key.kind == "labour_s" else key.what
            place = (key.date, key.job, what, key.kind, key.unit)
            found[place] = found.get(place, Decimal(0)) + value
    return {place: text(value) for place, value in found.items() if value}


def reconciled(events: Sequence[Event]) -> dict[Place, str]:
    """The same by the arithmetic of the reconciliation, which is another."""
    return {
        (
            total.posting_date or "undated",
            f"{total.work_order}/{total.operation}",
            total.material or "-",
            total.kind,
            total.unit,
        ): text(total.quantity)
        for total in tallied(events).report("", 1, len(events)).totals
    }


@pytest.mark.parametrize(
    ("file", "right", "wrong", "why"),
    [
        (EXPECTED, "good=100", "good=101", "good is 100, not 101"),
        (EXPECTED, "labour.1042=213", "labour.1042=214", "labour.1042 is 213, not 214"),
        (EXPECTED, "good 100, scrap 0", "good 100, scrap 1", "another message"),
        (EXPECTED, "08:03:45  ✓", "08:03:46  ✓", "came 1 s earlier"),
        (EXPECTED, "phase=run", "phase=none", "phase is run, not none"),
        (EXPECTED, "  operator.signed_on operator=1042\n", "\n", "was not expected"),
        (EXPECTED, "operator.signed_on", "operator.signed_off", "did not come"),
        (TOTALS, "100  C62", "99  C62", "1 off"),
        (TOTALS, "machine_s", "setup_s", "did not come"),
    ],
)
def test_a_result_that_is_another_is_shown(
    tmp_path: Path, file: str, right: str, wrong: str, why: str
) -> None:
    folder = tmp_path / "one" / "changed"
    shutil.copytree(FOLDERS["run/one-order"], folder)
    for site in ("lineside.toml", "masterdata.json"):
        shutil.copy(table.GOLDEN / site, tmp_path)
    given = (folder / file).read_text(encoding="utf-8")
    assert right in given
    (folder / file).write_text(given.replace(right, wrong, 1), encoding="utf-8")
    differences = replayed(folder).differences
    assert differences
    assert why in [one.why for one in differences]


def test_the_table_of_situations_is_that_of_the_folders() -> None:
    assert table.PAGE.read_text(encoding="utf-8") == table.page()
