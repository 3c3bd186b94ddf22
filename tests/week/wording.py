"""The week as `inputs.txt`: scans with the seconds that they take, and what the machines' counters show."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from tests.week.deeds import BEGIN_S, DAY, END_S, MONDAY, Deed
from tests.week.site import LEADER, OPERATION

MODULUS = 65536  # at which the first press's counter starts again
_GUN = {"OP20": "gun1", "OP30": "gun2", "OP40": "gun3"}
_PRESS = {"OP20": "press1", "OP30": "press2"}
_SCAN_S = 4  # from one scan to the next
Lines = Iterator[tuple[int, str]]


def inputs(deeds: Iterable[Deed]) -> str:
    """The text of a replay's `inputs.txt`."""
    shown = _Shown()
    timed = list(shown.begin())
    for deed in deeds:
        timed += shown.said(deed)
    timed.append((END_S, "end"))
    timed.sort(key=lambda one: one[0])  # stable: of one second, in the order in which they were done
    return "".join(f"{_when(at_s)} {text}\n" for at_s, text in timed)


def _when(at_s: int) -> str:
    day, s = divmod(at_s, DAY)
    return f"{MONDAY + timedelta(day)} {s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}"


@dataclass
class _Shown:
    """What the machines show."""

    # Near its end, so that it starts again within the first days.
    raw: dict[str, int] = field(default_factory=lambda: {"OP20": MODULUS - 3000, "OP30": 70})
    kwh: Decimal = Decimal("120.5")
    on: dict[str, bool] = field(default_factory=lambda: {"OP20": False, "OP30": False})

    def begin(self) -> Lines:
        for place, press in _PRESS.items():
            yield BEGIN_S, f"{press}.cycles = {self.raw[place]}"
            yield BEGIN_S, f"{press}.running = off"
        yield BEGIN_S, f"press1.energy = {self.kwh}"

    def said(self, deed: Deed) -> Lines:
        """The lines of one deed."""
        match deed.what:
            case "strokes":
                yield from self._strokes(deed)
            case "run" | "rest":
                self.on[deed.place] = deed.what == "run"
                yield deed.at_s, f"{_PRESS[deed.place]}.running = {'on' if deed.what == 'run' else 'off'}"
            case "reset" | "jump":
                before = self.raw[deed.place]
                self.raw[deed.place] = deed.number if deed.what == "reset" else before + deed.number
                yield deed.at_s - 1, f"{_PRESS[deed.place]}.cycles = {before}"
                yield deed.at_s, f"{_PRESS[deed.place]}.cycles = {self.raw[deed.place]}"
            case "outage":
                press = _PRESS[deed.place]
                yield deed.at_s, f"{press}.running = {'on' if self.on[deed.place] else 'off'}"
                yield deed.at_s, f"{press} lost"
                yield deed.until_s, f"{press} back"
            case "kill" | "stop" | "power cut":
                yield deed.at_s, "power off" if deed.what == "power cut" else deed.what
                yield deed.until_s, "power on" if deed.what == "power cut" else "start"
            case "reassign count" | "split count" | "reverse held" | "reassign held" | "make up":
                yield deed.at_s, _decided(deed)
            case _:
                codes = _codes(deed)
                for left, code in enumerate(reversed(codes)):
                    yield deed.at_s - left * _SCAN_S, f"{_GUN[deed.place]} {code}"

    def _strokes(self, deed: Deed) -> Lines:
        tag, raw = f"{_PRESS[deed.place]}.cycles", self.raw[deed.place]
        after = raw + deed.number
        yield deed.at_s, f"{tag} = {raw}"
        if deed.place == "OP20" and after >= MODULUS:
            # It goes evenly to its last value, and a second later it has begun again.
            turns_s = deed.at_s + (deed.until_s - deed.at_s) * (MODULUS - 1 - raw) // deed.number
            after -= MODULUS
            yield turns_s, f"{tag} -> {MODULUS - 1}"
            yield turns_s + 1, f"{tag} = 0"
        yield deed.until_s, f"{tag} -> {after}"
        self.raw[deed.place] = after
        if deed.kwh:
            yield deed.at_s, f"press1.energy = {self.kwh}"
            self.kwh += deed.kwh
            yield deed.until_s, f"press1.energy -> {self.kwh}"


def _codes(deed: Deed) -> list[str]:
    badge, many = f"LSE{deed.who}", [f"LSQ{deed.number}"] if deed.number > 1 else []
    entered = [f"LSQ{deed.total}"] if deed.place == "OP40" else []
    quantity = f"LSQ{str(deed.quantity).replace('.', 'D')} {deed.unit}"
    match deed.what:
        case "sign on":
            return [badge]
        case "sign off":
            return ["LSCOUT", badge]
        case "hand over":
            return ["LSCSHIFT", badge]
        case "confirm":
            return ["LSCOK"]
        case "start":
            return [f"LSW{deed.order}"]
        case "switch":
            return [f"LSW{deed.order}", *entered, "LSCOK"]
        case "set up":
            return ["LSCSETUP"]
        case "go":
            return ["LSCGO", "LSCOK"] if deed.number else ["LSCGO"]
        case "pause":
            return [f"LSCPAUSE{deed.reason}"]
        case "resume":
            return ["LSCGO"]
        case "report":
            return ["LSCPART", *entered, "LSCOK"]
        case "done":
            return ["LSCDONE", *entered, "LSCOK"]
        case "undo report" | "undo start":
            return ["LSCUNDO", "LSCOK"]
        case "scrap" | "rework":
            return [f"LSC{deed.what.upper()}{deed.reason}", *many]
        case "regain":
            return ["LSCGOOD", f"LSQ{deed.number}", "LSCOK"]
        case "use":
            return [f"LSL {deed.lot}", quantity]
        case "bring back":
            return ["LSCRETURN", f"LSL {deed.lot}", quantity]
        case "mount":
            return [f"LSL {deed.lot}"]
        case "unmount":
            return ["LSCUNMOUNT", f"LSL {deed.lot}"]
    raise ValueError(deed.what)


def _decided(deed: Deed) -> str:
    job = f"{deed.order}/{OPERATION[deed.place]}"
    by = f"by {LEADER} because it was looked at"
    match deed.what:
        case "reassign count":
            return f"settle reassign count {deed.place} to {job} {by}"
        case "split count":
            parts = f"{deed.number - 1} {job}, 1 {job} scrap 04"
            return f"settle split count {deed.place} into {parts} {by}"
        case "reverse held":
            return f"settle reverse held {deed.place} {by}"
        case "reassign held":
            return f"settle reassign held {deed.place} to {deed.number} {job} {by}"
    when = _when(deed.until_s)
    made = f"{deed.number} good, worked {deed.who} {deed.quantity}"
    return f"makeup {deed.place} {job} at {when}: {made} {by}"
