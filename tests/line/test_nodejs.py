"""Servers under Node.js are left out only where npm does not reach its registry, and never in a build."""

from pathlib import Path

import pytest

from tests.conftest import UNPROVEN
from tests.line import nodejs

UNREACHED = "npm error code ECONNREFUSED"
SPOILT = "npm error code EINTEGRITY"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages go; no packages yet, no other programs and no build."""
    (tmp_path / "programs").mkdir()
    (tmp_path / "source").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(nodejs, "BUILD", tmp_path / "build")
    monkeypatch.setattr(nodejs, "_left_out", {})
    return tmp_path


def npm(place: Path, says: str, code: int) -> None:
    for name in ("npm", "node"):
        program = place / "programs" / name
        program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {code}\n")
        program.chmod(0o755)


def test_what_npm_brings_is_used(place: Path) -> None:
    npm(place, "added 1 package", 0)
    assert nodejs.packages(place / "source", "oven-1").is_dir()


def test_without_a_way_to_the_registry_a_test_is_skipped_as_not_proven(place: Path) -> None:
    npm(place, UNREACHED, 1)
    for _ in range(2):  # the second one does not wait for npm again
        with pytest.raises(pytest.skip.Exception, match=f"{UNPROVEN}.*ECONNREFUSED"):
            nodejs.packages(place / "source", "oven-1")
        npm(place, SPOILT, 1)


def test_without_node_js_a_test_is_skipped_as_not_proven(place: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match=f"{UNPROVEN}.*needs Node"):
        nodejs.packages(place / "source", "oven-1")


def test_any_other_failure_of_npm_fails(place: Path) -> None:
    npm(place, SPOILT, 1)
    with pytest.raises(pytest.fail.Exception, match="EINTEGRITY"):
        nodejs.packages(place / "source", "oven-1")


@pytest.mark.parametrize("npm_is_there", [False, True])
def test_a_build_is_never_excused(place: Path, monkeypatch: pytest.MonkeyPatch, npm_is_there: bool) -> None:
    monkeypatch.setenv("CI", "true")
    if npm_is_there:
        npm(place, UNREACHED, 1)
    with pytest.raises(pytest.fail.Exception, match="ECONNREFUSED" if npm_is_there else "needs Node"):
        nodejs.packages(place / "source", "oven-1")
