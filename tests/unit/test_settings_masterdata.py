"""Where master data comes from: one source, named where there are several."""

from pathlib import Path

import pytest

from tests.unit.test_settings import loaded, problems

EDGE = """
[edge]
id = "e"
site = "s"
line = "l"
timezone = "Asia/Shanghai"
[uplinks.erp]
kind = "http"
url = "http://127.0.0.1/a"
"""
SECOND = """
[uplinks.mes]
kind = "http"
url = "http://127.0.0.1/b"
"""
FOLDER = """
[masterdata]
folder = "masterdata"
"""
QUIET = "masterdata_interval_s = 0\n"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (EDGE, "erp"),
        (EDGE + QUIET, None),
        (EDGE + QUIET + FOLDER, "folder"),
        (EDGE + QUIET + SECOND, "mes"),
        (EDGE + SECOND + '[masterdata]\nsource = "mes"', "mes"),
        (EDGE + FOLDER + 'source = "folder"', "folder"),
        (EDGE + FOLDER + 'source = "erp"', "erp"),
    ],
)
def test_one_source_counts(text: str, source: str | None, tmp_path: Path) -> None:
    found = loaded(tmp_path, text)
    assert found.masterdata_source == source
    assert found.masterdata_folder == (tmp_path / "masterdata" if source == "folder" else None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (EDGE + SECOND, "masterdata.source is missing: erp and mes would all deliver master data; name one"),
        (EDGE + FOLDER, "masterdata.source is missing: erp and folder would all deliver master data"),
        (EDGE + '[masterdata]\nsource = "mes"', "masterdata.source = 'mes': does not deliver master data"),
        (EDGE + '[masterdata]\nsource = "folder"', "masterdata.source = 'folder': does not deliver"),
        (EDGE.replace("uplinks.erp", "uplinks.folder") + FOLDER, "uplinks.folder: this name stands for"),
        (EDGE + "[masterdata]\nstale_after_h = -1", "masterdata.stale_after_h = -1: "),
        (EDGE + '[checks]\nunknown_order = "allow"', "checks.unknown_order = 'allow': "),
    ],
)
def test_what_two_would_contest_is_refused_and_said(text: str, problem: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, text)
    assert problem in found


def test_unknown_orders_are_refused_unless_the_site_says_otherwise(tmp_path: Path) -> None:
    assert loaded(tmp_path, EDGE).checks.unknown_order == "block"
    assert loaded(tmp_path, EDGE + '[checks]\nunknown_order = "provisional"').checks.unknown_order != "block"


def test_a_station_changes_single_checks_of_the_site(tmp_path: Path) -> None:
    station = '[stations.OP20]\nwork_center = "WC"\n[stations.OP20.checks]\nlot_expired = "confirm"\n'
    found = loaded(tmp_path, EDGE + station + '[checks]\nlot_status = "warn"\nusage_tolerance = "0.05"')
    there = found.checks.at(found.stations["OP20"].checks)
    assert (there.lot_expired, there.lot_status, there.material) == ("confirm", "warn", "block")
    assert str(there.usage_tolerance) == "0.05"
    assert found.checks.lot_expired == "block"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[checks]\nlot_expired = "ask"', "checks.lot_expired = 'ask': "),
        ("[checks]\nusage_tolerance = -0.1", "checks.usage_tolerance = -0.1: "),
        ('[checks]\nlot_expird = "warn"', "(did you mean lot_expired?)"),
        ('[stations.OP20]\nwork_center = "WC"\nchecks = { unknown_order = "block" }', "unknown_order"),
    ],
)
def test_what_no_check_knows_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, EDGE + text)
    assert problem in found
