"""The file as a whole: read, validated, checked, or all its problems told at once."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from edge.codes.rules import Rule
from edge.faults import SettingsFault
from edge.settings.checks import Checks
from edge.settings.crossing import FOLDER, Known, contested, crossed, named_twice, sources
from edge.settings.kinds import DeviceSettings, UplinkSettings
from edge.settings.parts import NAME, Name, Part
from edge.settings.services import MasterDataSettings, Storage, Sync, Web, Webhook
from edge.settings.site import Consumption, Crew, Edge, OwnCode, Pause, Posting, Reminders, Review, Shift
from edge.settings.station import Station
from edge.settings.wording import meant, worded

DEFAULT_PATH = Path("/etc/lineside/lineside.toml")
DeviceKinds = Mapping[str, Callable[[], type[DeviceSettings]]]
UplinkKinds = Mapping[str, Callable[[], type[UplinkSettings]]]
M = TypeVar("M", bound=Part)


class _File(Part):
    edge: Edge
    devices: dict[Name, dict[str, Any]] = Field({})
    stations: dict[Name, Station] = Field({})
    shifts: tuple[Shift, ...] = ()
    crew: Crew = Crew()
    pauses: dict[str, Pause] = Field({})
    posting: Posting = Posting()
    grammar: Annotated[tuple[OwnCode, ...], Field(max_length=50)] = ()
    uplinks: dict[Name, dict[str, Any]] = Field({})
    web: Web = Web()
    sync: Sync = Sync()
    storage: Storage = Storage()
    masterdata: MasterDataSettings = MasterDataSettings()
    checks: Checks = Checks()
    review: Review = Review()
    consumption: Consumption = Consumption()
    reminders: Reminders = Reminders()
    webhooks: tuple[Webhook, ...] = ()


@dataclass(frozen=True)
class Settings:
    """The whole configuration."""

    path: Path
    edge: Edge
    devices: Mapping[str, DeviceSettings]
    stations: Mapping[str, Station]
    shifts: tuple[Shift, ...]
    crew: Crew
    pauses: Mapping[str, Pause]
    posting: Posting
    rules: tuple[Rule, ...]
    uplinks: Mapping[str, UplinkSettings]
    web: Web
    sync: Sync
    storage: Storage
    masterdata: MasterDataSettings
    checks: Checks
    review: Review
    consumption: Consumption
    reminders: Reminders
    webhooks: tuple[Webhook, ...]

    @property
    def receivers(self) -> tuple[str, ...]:
        """Everybody who has a cursor of his own."""
        return tuple(one for name, uplink in self.uplinks.items() for one in uplink.receivers(name))

    @property
    def masterdata_source(self) -> str | None:
        """Who delivers master data: an uplink's name, FOLDER, or None where nobody does."""
        return next(iter(sources(self.masterdata, self.uplinks)), None)

    @property
    def needs_sync(self) -> bool:
        """Whether there is something to deliver to, to fetch from, or to tell alerts to."""
        return bool(self.receivers or self.masterdata_source or self.webhooks)

    @property
    def masterdata_folder(self) -> Path | None:
        """The folder with master data, where that is the source."""
        folder = self.masterdata.folder
        if folder is None or self.masterdata_source != FOLDER:
            return None
        return self.path.parent.absolute() / folder


def load(path: Path, devices: DeviceKinds, uplinks: UplinkKinds) -> Settings:
    """The configuration at `path`. Raises SettingsFault with every problem found."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsFault([f"{path}: no such file. `lineside init` writes one to start from"]) from None
    except OSError as error:
        raise SettingsFault([f"{path}: could not be read: {error.strerror}"]) from error
    except RecursionError:
        raise SettingsFault([f"{path}: is nested too deeply to be a configuration"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFault([f"{path}: is no valid TOML: {error}"]) from error

    problems: list[str] = []
    file = _validate(_File, document, path, (), problems)
    # Kinds are checked even where other parts are wrong: a person wants all problems at once.
    chosen_devices = _kinds(document, "devices", "driver", devices, path, problems)
    chosen_uplinks = _kinds(document, "uplinks", "kind", uplinks, path, problems)
    known = Known(file.devices, file.stations, file.shifts, file.grammar) if file else _known(document)
    problems += [f"{path}: {problem}" for problem in crossed(known, chosen_devices)]
    if file is not None:
        problems += [f"{path}: {problem}" for problem in named_twice(file.webhooks)]
        problems += [f"{path}: {problem}" for problem in contested(file.masterdata, chosen_uplinks)]
    if problems or file is None:
        raise SettingsFault(problems)
    data_dir = file.edge.data_dir
    return Settings(
        path=path,
        edge=file.edge.model_copy(update={"data_dir": path.parent.absolute() / data_dir}),
        devices=chosen_devices,
        stations=file.stations,
        shifts=file.shifts,
        crew=file.crew,
        pauses=file.pauses,
        posting=file.posting,
        rules=tuple(one.rule for one in file.grammar),
        uplinks=chosen_uplinks,
        web=file.web,
        sync=file.sync,
        storage=file.storage,
        masterdata=file.masterdata,
        checks=file.checks,
        review=file.review,
        consumption=file.consumption,
        reminders=file.reminders,
        webhooks=file.webhooks,
    )


def json_schema(devices: DeviceKinds, uplinks: UplinkKinds) -> dict[str, Any]:
    """The configuration's JSON Schema, for editors; each table entry by its kind."""
    schema = _File.model_json_schema()
    parts = schema["$defs"]
    for table, kinds in (("devices", devices), ("uplinks", uplinks)):
        choices = []
        for name, kind in kinds.items():
            within = f"{table}.{name}"  # two kinds may have parts of one name
            one = kind().model_json_schema(ref_template=f"#/$defs/{within}.{{model}}")
            parts |= {f"{within}.{part}": form for part, form in one.pop("$defs", {}).items()}
            parts[within] = one
            choices.append({"$ref": f"#/$defs/{table}.{name}"})
        schema["properties"][table] |= {
            "patternProperties": {NAME: {"oneOf": choices}},
            "additionalProperties": False,
        }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "lineside.toml"} | {
        key: value for key, value in schema.items() if key != "title"
    }


def _known(document: dict[str, Any]) -> Known:
    def valid(model: type[M], one: Any) -> M | None:
        try:
            return model.model_validate(one)
        except ValidationError:
            return None

    def table(name: str) -> dict[str, Any]:
        found = document.get(name)
        return found if isinstance(found, dict) else {}

    stations = {name: valid(Station, one) for name, one in table("stations").items()}

    def entries(name: str, model: type[M]) -> tuple[M, ...]:
        found = document.get(name)
        each = [valid(model, one) for one in found] if isinstance(found, list) else []
        return tuple(one for one in each if one is not None)

    return Known(
        devices=table("devices"),
        stations={name: one for name, one in stations.items() if one is not None},
        shifts=entries("shifts", Shift),
        grammar=entries("grammar", OwnCode),
    )


def _kinds(
    document: dict[str, Any],
    table: str,
    key: str,
    kinds: Mapping[str, Callable[[], type[M]]],
    path: Path,
    problems: list[str],
) -> dict[str, M]:
    """Each entry of a table, validated by the settings class that its `key` chooses."""
    chosen: dict[str, M] = {}
    entries = document.get(table)
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if not isinstance(entry, dict):
            continue  # reported by _File
        kind = entry.get(key)
        if not isinstance(kind, str) or kind not in kinds:
            value = "is missing" if kind is None else f"= {kind!r}: unknown{meant(str(kind), kinds)}"
            problems.append(f"{path}: {table}.{name}.{key} {value}; allowed: {', '.join(sorted(kinds))}")
            continue
        try:
            model = kinds[kind]()
        except SettingsFault as fault:  # a plug-in that cannot be used
            problems += [f"{path}: {table}.{name}.{key} = {kind!r}: {one}" for one in fault.problems]
            continue
        found = _validate(model, entry, path, (table, name), problems)
        if found is not None:
            chosen[name] = found
    return chosen


def _validate(
    model: type[M], document: dict[str, Any], path: Path, at: tuple[str, ...], problems: list[str]
) -> M | None:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems += [f"{path}: {worded(model, at, dict(one))}" for one in error.errors(include_url=False)]
        return None
