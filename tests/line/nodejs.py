"""Servers of other makers that run under Node.js: their packages, from a lock file, once below build/.

Only a machine without Node.js or without a way to npm's registry is excused, and then the run says at its end
what was not proven (tests/conftest.py). A build (CI is set) is never excused.
"""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.conftest import UNPROVEN

BUILD = Path(__file__).parents[2] / "build"
# npm's words for a registry that is not reached (npm help errors of Node.js and of npm's fetching).
_UNREACHED = re.compile(
    r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|E50[234])\b"
)
_RETRIES = ("--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
_INSTALL_S = 280
_left_out: dict[str, str] = {}  # packages that could not be had, and why: nobody waits for each test anew


def packages(source: Path, name: str) -> Path:
    """The folder with the packages of a lock file; `name` tells their version. Skips or fails."""
    if name in _left_out:
        _excused(name, _left_out[name])
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        _excused(name, f"{name} needs Node.js with npm (Debian: apt-get install nodejs npm)")
    place = BUILD / name
    BUILD.mkdir(exist_ok=True)
    with place.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            fresh = place.with_name(f"{name}.fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(source, fresh)
            _install(npm, fresh, name)
            fresh.rename(place)
    return place


def _install(npm: str, folder: Path, name: str) -> None:
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *_RETRIES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S)
    except subprocess.TimeoutExpired:
        _excused(name, f"{name} could not be installed: npm did not end within {_INSTALL_S} s")
    if done.returncode:
        said = done.stderr.strip()
        if _UNREACHED.search(said):
            _excused(
                name,
                f"{name} could not be installed: npm does not reach its registry "
                f"(`npm config get registry` names it), and says {_UNREACHED.findall(said)[0]}",
            )
        pytest.fail(f"{name} could not be installed. npm said:\n{said}")


def _excused(name: str, reason: str) -> NoReturn:
    _left_out[name] = reason
    if os.environ.get("CI"):
        pytest.fail(f"{reason}. A build may not go without it")
    pytest.skip(f"{UNPROVEN}: {reason}")
