"""A situation's folder: what lies in it, and what it takes from the folders above."""

from dataclasses import dataclass
from pathlib import Path

from edge.faults import MasterDataInvalid, SettingsFault
from edge.main import load as load_settings
from edge.main import site_of
from edge.masterdata import Document, parse
from edge.replay import script
from edge.replay.lines import SituationFault, read
from edge.replay.play import TICK_MS, Floor, Played, play
from edge.settings import Settings

INPUTS, EXPECTED, TOTALS, STORY = "inputs.txt", "expected.txt", "totals.txt", "situation.md"
_LEVELS = 3  # how many folders above are looked at


@dataclass(frozen=True)
class Situation:
    """A folder as it was read."""

    folder: Path
    title: str
    settings: Settings
    master: Document
    script: script.Script

    def play(self, tick_ms: int = TICK_MS) -> Played:
        """What comes of it, in steps of `tick_ms`. Raises SituationFault, Unfaithful."""
        edge = self.settings.edge
        floor = Floor(
            site_of(self.settings), f"urn:lineside:{edge.site}:{edge.id}:replay", self.settings.devices
        )
        try:
            return play(floor, self.master, self.script, tick_ms)
        except MasterDataInvalid as fault:
            raise SituationFault([f"{self.folder}: {fault}"]) from fault


def load(folder: Path) -> Situation:
    """The situation in a folder. Raises SituationFault with all that is wrong with the file at fault."""
    if not (folder / INPUTS).is_file():
        raise SituationFault([f"{folder / INPUTS} is not there: it says what happens, one input a line"])
    settings = _settings(folder)
    return Situation(folder, title(folder), settings, _master(folder), script.load(folder / INPUTS, settings))


def title(folder: Path) -> str:
    """The first heading of situation.md, else the folder's name."""
    story = folder / STORY
    lines = read(story).splitlines() if story.is_file() else []
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("#")), folder.name)


def _settings(folder: Path) -> Settings:
    path = _nearest(folder, "lineside.toml")
    if path is None:
        raise SituationFault([f"{folder}: lineside.toml is neither there nor in a folder above"])
    try:
        return load_settings(path)
    except SettingsFault as fault:
        raise SituationFault(fault.problems) from fault


def _master(folder: Path) -> Document:
    path = _nearest(folder, "masterdata.json")
    try:
        return parse(path.read_bytes()) if path else Document()
    except MasterDataInvalid as fault:
        raise SituationFault([f"{path}: {fault}"]) from fault


def _nearest(folder: Path, name: str) -> Path | None:
    """A file of the folder, else of the nearest folder above that has it."""
    folder = folder.absolute()
    places = [folder, *folder.parents][: _LEVELS + 1]
    return next((place / name for place in places if (place / name).is_file()), None)
