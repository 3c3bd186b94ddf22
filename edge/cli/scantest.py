"""`lineside scan-test`: what a scanner sends, what kind of code it is, and what a station makes of it.

Nothing is recorded, so the scanner hears the bad signal unless the person asks for the other one.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from drivers import registry
from edge import main
from edge.cli.common import FAULT, UNREACHABLE, USAGE, AsJson, Config, err, guarded, out
from edge.clock import SystemClock
from edge.codes import content, symbology
from edge.faults import StorageFault
from edge.lock import Lock
from edge.ports import Driver, Verdict
from edge.readings import Link, Reading, Scan, Unreadable
from edge.settings import PAGE, Settings
from edge.station import grammar


class Beep(StrEnum):
    """What a scanner is answered."""

    good = "good"
    bad = "bad"
    none = "none"


_VERDICTS: dict[Beep, Verdict] = {Beep.good: "good", Beep.bad: "bad"}

_NO_WORDS = {one.__name__.lower() for one in grammar.NOTHING}
_LAST_BEEP_S = 0.2  # closing a port throws away what was not yet sent
_NAMED = {"<FS>": "\x1c", "<GS>": "\x1d", "<RS>": "\x1e", "<US>": "\x1f", "<EOT>": "\x04"}
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})|<(?:FS|GS|RS|US|EOT)>")


@guarded
def scan_test(
    config: Config = None,
    device: Annotated[
        str | None, typer.Option("--device", "-d", help="A scanner of the configuration.", show_default=False)
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text", "-t", help=r"A code instead; <GS> or \x1d for a separator.", show_default=False
        ),
    ] = None,
    number: Annotated[
        int, typer.Option("--number", "-n", min=0, help="End after so many codes; 0: Ctrl-C ends.")
    ] = 0,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="End after so many seconds; 0: Ctrl-C ends.")
    ] = 0,
    beep: Annotated[
        Beep, typer.Option(help="What the scanner is answered. Nothing is recorded either way.")
    ] = Beep.bad,
    as_json: AsJson = False,
) -> None:
    """Show what a scanner sends: bytes, kind of code, elements, meaning. Exit code 1 if a code is none."""
    if (device is None) == (text is None):
        err.print("Give --device or --text, one of them", markup=False)
        raise typer.Exit(USAGE)
    if text is not None:
        kind, plain = symbology.split(_unescaped(text))
        known = grammar.Grammar(main.load(config).rules) if config else grammar.DEFAULT
        found = examined(Scan(PAGE, plain, SystemClock().now(), kind), known)
        if found["content"] != "ambiguous" and (why := content.told_apart(plain, kind, kept=False)):
            found["keyboard"] = why
        _show(found, as_json)
        if found["content"] in ("ambiguous", "malformed"):
            raise typer.Exit(FAULT)
        return
    loaded = main.load(config)
    known = grammar.Grammar(loaded.rules)
    listener = _Listener(_driver(loaded, device or ""), known, beep, number, as_json)
    try:
        asyncio.run(listener.listen(wait_s or None))
    except KeyboardInterrupt:
        pass
    if listener.absent is not None:
        err.print(f"{listener.absent.detail}. {listener.absent.hint}", markup=False, soft_wrap=True)
        raise typer.Exit(UNREACHABLE)
    if listener.flaws or (number and listener.shown < number):
        raise typer.Exit(FAULT)


def examined(scan: Scan, known: grammar.Grammar) -> dict[str, Any]:
    """Everything that can be said of a scan that came over a line."""
    text, kind = scan.text, scan.symbology
    found: dict[str, Any] = {
        "text": text,
        "bytes": text.encode("utf-8", "replace").hex(" "),
        "symbology": kind,
        "symbology_name": symbology.named(kind) if kind else None,
    }
    match content.read(text, kind):
        case content.Plain():
            found["content"] = "text"
        case content.Elements(form, items):
            found["content"] = form
            found["elements"] = [item._asdict() for item in items]
        case content.Refused(reason, why):
            found["content"] = reason
            found["why"] = why
    if rules := known.fitting(text, scan.device):
        found["rule"] = ", ".join(rule.name for rule in rules)
    word = known.read(scan)
    found["meaning"] = {"type": type(word).__name__.lower(), **msgspec.to_builtins(word)}
    return found


class _Listener:
    """An observer that shows what a driver tells until enough has come."""

    def __init__(
        self, driver: Driver, known: grammar.Grammar, beep: Beep, number: int, as_json: bool
    ) -> None:
        self.shown = 0
        self.flaws = 0
        self.absent: Link | None = None  # the scanner was never there
        self._driver = driver
        self._known = known
        self._beep = beep
        self._number = number
        self._as_json = as_json
        self._was_up = False
        self._enough = asyncio.Event()

    async def listen(self, wait_s: float | None) -> None:
        """Run the driver until enough codes came, the time is over, or the scanner is not there."""
        running = asyncio.create_task(self._driver.run(self), name="scan-test")
        ending = asyncio.create_task(self._enough.wait())
        try:
            await asyncio.wait({running, ending}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if self.shown:
                await asyncio.sleep(_LAST_BEEP_S)
        finally:
            running.cancel()
            ending.cancel()
            await asyncio.wait({running, ending})
        if not running.cancelled() and (error := running.exception()) is not None:
            raise error

    def readings(self, batch: Sequence[Reading]) -> None:
        """A scanner has none."""

    def scan(self, scan: Scan) -> None:
        self._told(examined(scan, self._known))

    def unreadable(self, unreadable: Unreadable) -> None:
        self.flaws += 1
        text = unreadable.raw.decode("latin-1")
        self._told({"content": unreadable.reason, "text": text, "bytes": unreadable.raw.hex(" ")})

    def link(self, link: Link) -> None:
        if not link.up and not self._was_up:
            self.absent = link
            self._enough.set()
        elif link.up:
            self._was_up = True
            err.print(f"{link.device} answers at {link.detail}. Scan; Ctrl-C ends", markup=False)
        else:
            err.print(f"{link.detail}. {link.hint}", markup=False, soft_wrap=True)

    def _told(self, found: dict[str, Any]) -> None:
        if self._enough.is_set():
            return
        _show(found, self._as_json)
        if self._beep in _VERDICTS:
            self._driver.signal(_VERDICTS[self._beep])
        self.shown += 1
        if self.shown == self._number:
            self._enough.set()


def _driver(loaded: Settings, name: str) -> Driver:
    """The driver of a scanner that no collector uses. Raises Exit, StorageFault."""
    settings = loaded.devices.get(name)
    if settings is None or not settings.scans:
        known = ", ".join(one for one, entry in loaded.devices.items() if entry.scans) or "none is configured"
        err.print(f"There is no scanner {name!r}. Scanners: {known}", markup=False)
        raise typer.Exit(USAGE)
    journal = loaded.edge.data_dir / main.JOURNAL
    if journal.with_suffix(".lock").exists():
        try:
            Lock(journal).release()
        except StorageFault as fault:
            raise StorageFault(
                f"The collector runs and reads {name} itself. Nothing was changed",
                hint=f"`lineside events samples --device {name}` shows its last scans; or stop the collector",
            ) from fault
    return registry.build(name, settings, SystemClock())


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _NAMED[match[0]], text)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        out.out(json.dumps(found, ensure_ascii=False), highlight=False)
        return
    rows = [("code", _visible(found["text"])), ("bytes", found["bytes"])]
    if found.get("symbology"):
        rows.append(("kind", f"{found['symbology']}  {found['symbology_name']}"))
    rows.append(("content", found["content"]))
    if "why" in found:
        rows.append(("", _visible(found["why"])))
    if "keyboard" in found:
        rows.append(("", f"from a scanner in keyboard mode it is refused: {_visible(found['keyboard'])}"))
    for one in found.get("elements", ()):
        read = "" if one["means"] == one["value"] else f"  = {one['means']}"
        rows.append(("", f"({one['key']}) {_visible(one['value'])}{read}  {one['title']}".rstrip()))
    if "rule" in found:
        rows.append(("rule", found["rule"]))
    if "meaning" in found:
        rows.append(("meaning", _meaning(found["meaning"])))
    for name, value in rows:
        out.out(f"{name:<8} {value}".rstrip(), highlight=False)


def _meaning(word: dict[str, Any]) -> str:
    kind = word["type"]
    if kind == "unrecognised":
        return "none: a station refuses this code"
    if kind in _NO_WORDS:
        kind = f"none: a station refuses this code; {kind}"
    parts = [f"{key} {_visible(_said(value))}" for key, value in word.items() if key != "type" and value]
    return f"{kind}: {', '.join(parts)}"


def _said(value: Any) -> str:
    """A value of a word; quantities as people write them."""
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values() if part is not None)
    return value if isinstance(value, str) else " or ".join(_said(one) for one in value)


def _visible(text: str) -> str:
    """A text whose control characters do nothing to a terminal."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
