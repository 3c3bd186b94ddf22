"""The example of a driver from elsewhere, installed as a stranger would: found, tried out, tested."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.demo.plant import free_port
from tests.line.plant import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "lineside-mqtt-sensor"
PIP = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation",
       "--disable-pip-version-check", "--root-user-action=ignore")  # fmt: skip


def _python(*arguments: object, paths: tuple[Path, ...]) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join(map(str, paths))
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=paths[0], capture_output=True, text=True, timeout=280,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"}, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's distribution in it, built from a copy: a build leaves files behind."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(EXAMPLE, folder / "source")
    site = folder / "site"
    site.mkdir()
    done = _python(*PIP, "--target", site, folder / "source", paths=(folder,))
    assert done.returncode == 0, done.stderr
    return site


def test_the_example_is_found_configured_and_tried_out_once_it_is_installed(
    installed: Path, tmp_path: Path
) -> None:
    paths = (installed, ROOT)
    found = json.loads(_python("-m", "edge", "devices", "--kinds", "--json", paths=paths).stdout)
    assert [(one["origin"], one["problem"]) for one in found if one["kind"] == "mqtt-sensor"] == [
        ("lineside-mqtt-sensor 0.1.0", "")
    ]
    config = tmp_path / "lineside.toml"
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    sample = readme.split("```toml\n")[1].split("```")[0]
    assert "192.168.10.40" in sample and "port = 1883" in sample
    sample = sample.replace("192.168.10.40", "127.0.0.1").replace("port = 1883", f"port = {free_port()}")
    config.write_text(
        '[edge]\nid = "X"\nsite = "s"\nline = "l"\ntimezone = "Asia/Shanghai"\ndata_dir = "data"\n'
        + sample
        + '\n[stations.OP20]\nwork_center = "WC"\n'
    )
    tried = _python("-m", "edge", "check", "--probe", "--timeout", "60", "--config", config, paths=paths)
    assert tried.returncode == 3, tried.stdout + tried.stderr
    assert "Connection refused" in tried.stdout and "Check that the broker runs" in tried.stdout
    without = _python("-m", "edge", "check", "--config", config, paths=(ROOT,))
    assert without.returncode == 2 and "unknown" in without.stderr


def test_the_example_keeps_the_contract_of_drivers(installed: Path) -> None:
    done = _python(
        "-m", "pytest", "-p", "no:cacheprovider", "-q", installed.parent / "source" / "tests",
        paths=(installed, ROOT),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
