"""What is wrong between the parts of a configuration, each of them right by itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any

from edge.codes.rules import shared
from edge.settings.kinds import DeviceSettings, UplinkSettings
from edge.settings.services import MasterDataSettings, Webhook
from edge.settings.site import OwnCode, Shift
from edge.settings.station import Station

PAGE = "page"  # where a scan comes from that was typed
FOLDER = "folder"  # the source of master data that is no uplink
_MOST_STATES = 2000  # of all own codes together: what reading takes grows with it


@dataclass(frozen=True)
class Known:
    """What is right by itself, in a file that need not be: enough to check that names point somewhere."""

    devices: Mapping[str, Any]
    stations: Mapping[str, Station]
    shifts: tuple[Shift, ...]
    grammar: tuple[OwnCode, ...]


def crossed(file: Known, devices: Mapping[str, DeviceSettings]) -> Iterable[str]:
    """What is wrong between the parts: names that point nowhere, tags and scanners claimed twice."""
    claimed: dict[str, str] = {}
    counted: dict[str, str] = {}
    for name, station in file.stations.items():
        for counter in {"running", "energy"} & set(station.counters):
            yield f"stations.{name}.counters.{counter}: this name is taken by the signal; choose another"
        for meter in {"running", "energy", *station.counters} & set(station.meters):
            yield f"stations.{name}.meters.{meter}: a counter or signal has this name; choose another"
        for index, scanner in enumerate(station.scanners):
            key = f"stations.{name}.scanners.{index} = {scanner!r}"
            if scanner not in file.devices:
                yield f"{key}: there is no such device; allowed: {_listed(_scanners(devices))}"
            elif scanner in devices and not devices[scanner].scans:
                yield f"{key}: this device is no scanner; allowed: {_listed(_scanners(devices))}"
            elif scanner in claimed:
                yield f"{key}: already belongs to {claimed[scanner]}; a scanner serves one station"
            claimed[scanner] = f"stations.{name}"
        for part, tag in station.tags.items():
            key = f"stations.{name}.{part} = {tag!r}"
            device = tag.partition(".")[0]
            known = [f"{d}.{t}" for d, entry in devices.items() for t in sorted(entry.tag_names)]
            if tag not in known and (device in devices or device not in file.devices):
                yield f"{key}: there is no such tag; allowed: {_listed(known)}"
            if part.startswith(("counters.", "meters.")):
                if tag in counted:
                    yield f"{key}: already counts for {counted[tag]}; what it counts would count twice"
                counted[tag] = f"stations.{name}"
    yield from _taken(devices)
    yield from _meters(file.stations)
    yield from _shifts(file.shifts)
    yield from _own_codes(file.grammar, _scanners(devices))


def sources(settings: MasterDataSettings, uplinks: Mapping[str, UplinkSettings]) -> list[str]:
    """Who delivers master data: the one that is named, else all that would."""
    found = [name for name, one in uplinks.items() if one.delivers_masterdata]
    found += [FOLDER] if settings.folder is not None else []
    return [settings.source] if settings.source in found else found


def contested(settings: MasterDataSettings, uplinks: Mapping[str, UplinkSettings]) -> Iterable[str]:
    """What is wrong with who delivers master data: of two, each would undo what the other said."""
    found = sources(settings, uplinks)
    if settings.folder is not None and FOLDER in uplinks:
        yield f"uplinks.{FOLDER}: this name stands for masterdata.folder; choose another"
    elif settings.source is not None and settings.source not in found:
        key = f"masterdata.source = {settings.source!r}"
        yield f"{key}: does not deliver master data; allowed: {_listed(found)}"
    elif len(found) > 1:
        yield (
            f"masterdata.source is missing: {' and '.join(found)} would all deliver master data; name one,"
            " or set masterdata_interval_s = 0 for the uplinks that do not"
        )


def named_twice(webhooks: Iterable[Webhook]) -> Iterable[str]:
    """What a webhook took is kept under its name."""
    names: dict[str, int] = {}
    for index, one in enumerate(webhooks):
        if names.setdefault(one.name, index) != index:
            yield f"webhooks.{index}.name = {one.name!r}: webhooks.{names[one.name]} has this name already"


def _taken(devices: Mapping[str, DeviceSettings]) -> Iterable[str]:
    """Ports and addresses that two devices want and cannot both have."""
    first: dict[str, tuple[str, str]] = {}
    for name, device in devices.items():
        if device.claim is None:
            continue
        place, bus = device.claim
        other, its = first.setdefault(place, (name, bus))
        if other != name and not (bus and bus == its):
            yield (
                f"devices.{name} ({device.driver}) and devices.{other} ({devices[other].driver}) both claim "
                f"{place}, which serves one of them only; give each its own"
            )


def _meters(stations: Mapping[str, Station]) -> Iterable[str]:
    """A meter that several stations name is split by their rated power, which each must then say."""
    sharing: dict[str, list[str]] = {}
    for name, station in stations.items():
        if station.signals.energy is not None:
            sharing.setdefault(station.signals.energy, []).append(name)
    for tag, names in sharing.items():
        for name in names if len(names) > 1 else ():
            if "rated_kw" not in stations[name].signals.model_fields_set:
                others = ", ".join(f"stations.{other}" for other in names if other != name)
                yield (
                    f"stations.{name}.signals.rated_kw is missing; it must be given: "
                    f"the meter {tag!r} is shared with {others} and split by rated power"
                )


def _scanners(devices: Mapping[str, DeviceSettings]) -> list[str]:
    return [name for name, entry in devices.items() if entry.scans]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none is configured"


def _shifts(shifts: tuple[Shift, ...]) -> Iterable[str]:
    """Shifts of one day may not overlap: a moment belongs to one shift at most."""
    minutes: dict[int, str] = {}
    for index, shift in enumerate(shifts):
        start = _minutes(shift.start)
        length = _length(shift.start, shift.end)
        for minute in range(start, start + length):
            other = minutes.setdefault(minute % 1440, shift.name)
            if other != shift.name:
                yield f"shifts.{index} ({shift.name}): overlaps shift {other} at {_shown_minute(minute)}"
                break
        yield from _breaks(f"shifts.{index}", shift)


def _breaks(at: str, shift: Shift) -> Iterable[str]:
    """A break lies wholly within its shift, and beside the other breaks."""
    taken: dict[int, int] = {}
    for index, one in enumerate(shift.breaks):
        key = f"{at}.breaks.{index} ({one.start:%H:%M} to {one.end:%H:%M})"
        begins, length = _length(shift.start, one.start) % 1440, _length(one.start, one.end)
        if one.start == one.end:
            yield f"{key}: has no length; it must end later than it starts"
        elif begins + length > _length(shift.start, shift.end):
            yield f"{key}: must lie within shift {shift.name}, {shift.start:%H:%M} to {shift.end:%H:%M}"
        elif others := [taken[minute] for minute in range(begins, begins + length) if minute in taken]:
            yield f"{key}: overlaps breaks.{others[0]} of the same shift"
        taken |= dict.fromkeys(range(begins, begins + length), index)


def _minutes(face: time) -> int:
    return face.hour * 60 + face.minute


def _length(start: time, end: time) -> int:
    """Minutes from one time of day to another, up to a whole day."""
    return (_minutes(end) - _minutes(start)) % 1440 or 1440


def _shown_minute(minute: int) -> str:
    return f"{minute % 1440 // 60:02d}:{minute % 60:02d}"


def _own_codes(codes: tuple[OwnCode, ...], scanners: list[str]) -> Iterable[str]:
    """A rule's scanners are there; a name and a code stand for one rule only."""
    names: dict[str, int] = {}
    for index, code in enumerate(codes):
        if code.name in names:
            yield f"grammar.{index}.name = {code.name!r}: grammar.{names[code.name]} has this name already"
        names.setdefault(code.name, index)
        for scanner in code.scanners:
            if scanner not in (*scanners, PAGE):
                allowed = _listed([*scanners, PAGE])
                yield f"grammar.{index}.scanners = {scanner!r}: is no scanner; allowed: {allowed}"
    if (size := sum(code.rule.pattern.size for code in codes)) > _MOST_STATES:
        yield f"grammar: counted out, its patterns have {size} characters; {_MOST_STATES} are the most"
        return
    for first, second, text in shared([code.rule for code in codes]):
        other = f"grammar.{first} ({codes[first].name})"
        yield f"grammar.{second} ({codes[second].name}): {text!r} fits {other} too; a code has one meaning"
