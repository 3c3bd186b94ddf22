"""Master data from files: what Excel writes is read, what does not fit is named with its place."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.masterdata import Document, folder, parse
from edge.masterdata.folder import FolderInvalid

EXAMPLE = Path("config/masterdata")
LOTS = "material,lot,status,expiry,quantity\nSTEEL,A1,released,2027-01-31,100\n"


def read(path: Path, files: Mapping[str, str | bytes]) -> Document:
    """What these files say."""
    for name, text in files.items():
        (path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return parse(folder.read(path).body)


def refused(path: Path, files: Mapping[str, str | bytes]) -> list[str]:
    with pytest.raises(FolderInvalid) as caught:
        read(path, files)
    assert "stays in use" in caught.value.hint
    return caught.value.problems


def test_the_example_says_all_that_a_document_can(tmp_path: Path) -> None:
    found = parse(folder.read(EXAMPLE).body)
    assert all(getattr(found, name) for name in Document.__struct_fields__)
    order = (found.work_orders or ())[0]
    assert [one.operation for one in order.operations] == ["0010", "0020"]
    assert order.operations[1].alternatives == ("WC-PRESS-2", "WC-PRESS-3")
    assert [(str(one.quantity), one.method, one.lot_required) for one in order.bom] == [
        ("0.48", "scanned", True), ("0.01", "backflushed", False),
    ]  # fmt: skip
    assert order.refs == {"FMoId": "100123"} and order.outputs[0].role == "main"
    assert (found.reasons or ())[0].text == {"en": "Burr", "zh-CN": "毛刺"}
    assert (found.materials or ())[0].units[0].unit == "LBR"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_way_in_which_it_is_saved_says_the_same(
    encoding: str, delimiter: str, newline: str, tmp_path: Path
) -> None:
    for file in EXAMPLE.glob("*.csv"):
        text = file.read_text(encoding="utf-8").replace("\n", newline).replace(",", delimiter)
        (tmp_path / file.name).write_bytes(text.encode(encoding))
    assert folder.read(tmp_path).body == folder.read(EXAMPLE).body


def test_what_a_json_file_holds_is_taken_beside_csv_files(tmp_path: Path) -> None:
    found = read(tmp_path, {"lots.csv": LOTS, "plant.json": json.dumps({"people": [{"person": "1"}]})})
    assert found.lots and found.people and found.work_orders is None


def test_an_absent_file_leaves_the_list_and_one_with_a_head_alone_empties_it(tmp_path: Path) -> None:
    found = read(tmp_path, {"lots.csv": "material,lot\n"})
    assert found.lots == () and found.people is None


def test_quotes_blank_lines_and_columns_of_no_interest_do_no_harm(tmp_path: Path) -> None:
    text = 'sep=,\nlot,material,remark,quantity\n\n"A,1","S ""4""",x,1\n,,,\n'
    (lot,) = read(tmp_path, {"lots.csv": text}).lots or ()
    assert (lot.lot, lot.material, str(lot.quantity)) == ("A,1", 'S "4"', "1")


def test_a_comma_is_a_decimal_comma_only_where_semicolons_separate(tmp_path: Path) -> None:
    (lot,) = read(tmp_path, {"lots.csv": "material;lot;quantity;expiry\nS;A;0,48;2027/1/5\n"}).lots or ()
    assert (str(lot.quantity), lot.expiry) == ("0.48", "2027-01-05")
    (problem,) = refused(tmp_path, {"lots.csv": 'material,lot,quantity\nS,A,"1,000"\n'})
    assert problem.startswith("lots.csv line 2, column quantity: '1,000' is no number; allowed: ")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"lots.csv": LOTS + "STEEL,A2,open,,1\n"},
         "lots.csv line 3, column status: 'open' is none of released, blocked, quarantine"),
        ({"lots.csv": LOTS + "STEEL,,,,1\n"}, "lots.csv line 3, column lot: is empty; it must be given"),
        ({"lots.csv": LOTS + "STEEL,A2,,31.01.2027,1\n"},
         "lots.csv line 3, column expiry: '31.01.2027' is no day; allowed: 2027-01-31 or 2027/1/31"),
        ({"lots.csv": LOTS + "STEEL,A2,,2027-02-30,1\n"}, "lots.csv line 3: `expiry` is '2027-02-30': a day"),
        ({"lots.csv": LOTS + "STEEL,1.00457E+11,,,1\n"}, "column lot: '1.00457E+11' is a number that"),
        ({"lots.csv": LOTS + "STEEL,A2,,,1,5\n"}, "lots.csv line 3: has 6 cells, the first line names 5"),
        ({"lots.csv": LOTS + "STEEL,A1,blocked,,1\n"},
         "lots.csv line 3: is A1 STEEL of line 2 again, and says something else"),
        ({"lots.csv": "material,lots\nS,A\n"}, "lots.csv line 1, column lots: is no known column (did you"),
        ({"lots.csv": "material,status\nS,released\n"}, "lots.csv line 1, column lot: is missing; allowed"),
        ({"lots.csv": ""}, "lots.csv line 1: the first line must name the columns"),
        ({"lots.csv": 'material,lot\nS,"A\n'}, "lots.csv line 2: "),
        ({"lots.csv": b"material,lot\nS,\xff\xff\n"}, "lots.csv: is neither UTF-8 nor GB18030"),
        ({"lot.csv": LOTS}, "lot.csv: no list is called so; allowed: work_orders.csv"),
        ({"bom.csv": "work_order,line,material,quantity,unit\n1,10,S,1,KGM\n"},
         "bom.csv: belongs to work_orders.csv, which is not there"),
        ({"materials.csv": "material,unit\nS,KGM\n",
          "units.csv": "material,unit,numerator,denominator\nS,LBR,1,0.4536\n"},
         "materials.csv line 2: S: 1 LBR is 0.453592 KGM"),
        ({"materials.csv": "material,unit\nS,KGM\n",
          "units.csv": "material,unit,numerator,denominator\nT,LBR,0.4536,1\n"},
         "units.csv line 2, column material: T is not in materials.csv"),
        ({"lots.csv": LOTS, "x.json": '{"lots": []}'}, "x.json: lots is in lots.csv already"),
        ({"x.json": '{"lots": [{"lot": 1}]}'}, "x.json: Expected `str`, got `int` - at `$.lots[0].lot`"),
        ({"x.json": "{"}, "x.json: "),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_by_file_line_and_column(
    files: Mapping[str, str | bytes], problem: str, tmp_path: Path
) -> None:
    problems = refused(tmp_path, files)
    assert any(problem in one for one in problems), problems


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    problems = refused(tmp_path, {"lots.csv": LOTS + "S,A2,open,,x\n", "people.csv": "person,badges\n,1\n"})
    assert [one.partition(":")[0] for one in problems] == [
        "lots.csv line 3, column status",
        "lots.csv line 3, column quantity",
        "people.csv line 2, column person",
    ]


def test_what_editors_leave_in_the_folder_is_no_data(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "m")
    for name in ("~lots.csv", ".lots.csv", "lots.csv.tmp", "readme.txt"):
        (tmp_path / "m" / name).write_text("nonsense")
    assert folder.read(tmp_path / "m").body == folder.read(EXAMPLE).body


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderInvalid, match="nowhere"):
        folder.read(tmp_path / "nowhere")
