"""The systemd units: valid, restarted for ever, watched, and with few rights."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted(Path("systemd").glob("*.service"))
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (make test installs it)"
)


def section(unit: Path, name: str) -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit.read_text())
    return dict(parser[name])


def test_there_is_a_unit_for_each_process() -> None:
    assert [unit.name for unit in UNITS] == ["lineside-collect.service", "lineside-sync.service"]


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit_without_a_word(unit: Path, tmp_path: Path) -> None:
    # The command is not installed here: any program stands in for it, all else is as shipped.
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
    copy = tmp_path / unit.name
    copy.write_text(text)
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60
    )
    said = [line for line in (found.stdout + found.stderr).splitlines() if unit.name in line]
    assert (found.returncode, said) == (0, [])


@needs_systemd
@pytest.mark.parametrize(("unit", "threshold"), [(UNITS[0], 25), (UNITS[1], 20)], ids=["collect", "sync"])
def test_the_exposure_stays_low(unit: Path, threshold: int, tmp_path: Path) -> None:
    """On systemd's scale of 0 (least exposed) to 100."""
    found = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={threshold}", str(unit.absolute())],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 0, found.stdout.splitlines()[-1]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_it_is_restarted_for_ever_and_watched(unit: Path) -> None:
    service = section(unit, "Service")
    assert (service["Type"], service["Restart"], service["WatchdogSec"]) == ("notify", "always", "30")
    assert section(unit, "Unit")["StartLimitIntervalSec"] == "0"
    assert service["User"] == "lineside"
