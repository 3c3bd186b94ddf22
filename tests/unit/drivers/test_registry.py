"""Kinds from elsewhere: real distributions on the path, imported only when named, and told when unusable."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from drivers import registry
from edge import main
from edge.clock import SystemClock
from edge.faults import SettingsFault

GOOD = """
    from drivers.registry import Kind

    def _settings():
        from {module}_settings import Settings
        return Settings

    def _driver():
        from {module}_driver import Driver
        return Driver

    KIND = Kind(_settings, _driver)
"""
SETTINGS = """
    from typing import Literal
    from edge.settings import DeviceSettings

    class Settings(DeviceSettings):
        driver: Literal["acme"]
        host: str
        tags: dict[str, int] = {}
"""
DRIVER = """
    class Driver:
        def __init__(self, name, settings, clock):
            self.name = name
"""


class Site:
    """A folder of installed distributions, first on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self, name: str, kind: str = "acme", code: str = GOOD, settings: str = SETTINGS, driver: str = DRIVER
    ) -> str:
        """A distribution offering `kind`; returns its module's name."""
        module = name.replace("-", "_")
        info = self.folder / f"{module}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[lineside.drivers]\n{kind} = {module}:KIND\n")
        for path, text in ((module, code), (f"{module}_settings", settings), (f"{module}_driver", driver)):
            (self.folder / f"{path}.py").write_text(dedent(text.replace("{module}", module)))
        return module

    def config(self, kind: str = "acme") -> Path:
        path = self.folder / "lineside.toml"
        path.write_text(
            '[edge]\nid = "X"\nsite = "s"\nline = "l"\ntimezone = "Asia/Shanghai"\n'
            f'[devices.a1]\ndriver = "{kind}"\nhost = "10.0.0.1"\n[devices.a1.tags]\nlevel = 3\n'
        )
        return path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.syspath_prepend(tmp_path)
    return Site(tmp_path)


def problems(path: Path) -> list[str]:
    with pytest.raises(SettingsFault) as found:
        main.load(path)
    return found.value.problems


def test_an_installed_kind_is_configured_built_and_listed_like_an_own_one(site: Site) -> None:
    site.install("acme-drivers")
    settings = main.load(site.config()).devices["a1"]
    assert (settings.driver, settings.place, settings.tag_names) == ("acme", "10.0.0.1", {"level"})
    assert registry.build("a1", settings, SystemClock()).name == "a1"
    (offer,) = [one for one in registry.offers() if one.kind == "acme"]
    assert (offer.origin, offer.problem) == ("acme-drivers 1.5", "")


def test_nothing_is_imported_that_the_configuration_does_not_name(site: Site) -> None:
    one = site.install("acme-drivers")
    other = site.install("other-drivers", kind="other", code="raise RuntimeError('imported')")
    settings = main.load(site.config()).devices["a1"]
    registry.offers()
    assert other not in sys.modules
    assert {one, f"{one}_settings"} <= set(sys.modules)
    assert f"{one}_driver" not in sys.modules, "the configuration is checked without the protocol library"
    registry.build("a1", settings, SystemClock())
    assert f"{one}_driver" in sys.modules


@pytest.mark.parametrize(
    "parts",
    [{"code": "import no_such_library"}, {"code": "this is no Python"}, {"code": "other = 1"},
     {"code": "KIND = 3"}, {"code": "raise RuntimeError('licence')"},
     {"settings": "import no_such_library"}, {"settings": "Settings = int"}, {"settings": "class X: ..."}],
)  # fmt: skip
def test_a_broken_plug_in_is_a_problem_of_the_configuration_that_names_its_distribution(
    site: Site, parts: dict[str, str]
) -> None:
    site.install("acme-drivers", **parts)
    (problem,) = problems(site.config())
    assert "devices.a1.driver = 'acme'" in problem and "acme-drivers 1.5" in problem
    path = site.config("modbus-tcp")
    path.write_text(path.read_text().replace("level = 3", 'level = { register = "coil", address = 3 }'))
    assert main.load(path).devices["a1"].driver == "modbus-tcp", "others go on"


def test_a_driver_whose_library_is_missing_is_told_when_it_is_built(site: Site) -> None:
    site.install("acme-drivers", driver="import no_such_library")
    settings = main.load(site.config()).devices["a1"]
    with pytest.raises(SettingsFault, match=r"acme-drivers 1\.5.*no_such_library"):
        registry.build("a1", settings, SystemClock())


def test_two_plug_ins_of_one_kind_are_both_named_and_neither_is_taken(site: Site) -> None:
    modules = [site.install("acme-drivers"), site.install("better-drivers")]
    (problem,) = problems(site.config())
    assert "acme-drivers 1.5" in problem and "better-drivers 1.5" in problem
    assert not set(modules) & set(sys.modules)
    assert len([one for one in registry.offers() if one.kind == "acme" and one.problem]) == 2


def test_a_plug_in_may_not_take_the_place_of_an_own_kind(site: Site) -> None:
    site.install("acme-drivers", kind="modbus-tcp")
    (problem,) = problems(site.config("modbus-tcp"))
    assert "lineside itself" in problem and "acme-drivers 1.5" in problem


def test_an_unknown_kind_is_answered_with_the_installed_ones_too(site: Site) -> None:
    site.install("acme-drivers")
    (problem,) = problems(site.config("acmee"))
    assert "did you mean acme?" in problem and "modbus-tcp" in problem
