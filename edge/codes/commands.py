"""The names on command cards, as they stand behind `LSC`, `Z` and (92)."""

import re
from typing import NamedTuple

COMMANDS_WITH_REASON = (
    "SCRAP", "REWORK", "CONCESSION", "PAUSE", "EXTRA", "TOOL", "BLOCKED", "METER",
)  # fmt: skip
COMMANDS = (
    "DONE", "PART", "OK", "GO", "UNDO", "SETUP", "OUT", "RETURN", "UNMOUNT", "SHIFT", "NOTOOL", "GOOD",
)  # fmt: skip

_REASON = re.compile(r"[A-Z0-9._-]{1,40}")
_CAVITIES = re.compile(r"[0-9]{1,3}(?: +[A-Z0-9._-]{1,40})?")  # how many, of which material
_FORMS = {"BLOCKED": _CAVITIES}
_EXAMPLES = {"TOOL": "TOOL M-12", "BLOCKED": "BLOCKED 1", "METER": "METER ENERGY"}


class Named(NamedTuple):
    """A command; SCRAP, REWORK, PAUSE and EXTRA carry a reason, TOOL, BLOCKED and METER a name."""

    name: str
    reason: str | None = None


def named(text: str) -> Named | None:
    """The command that a text names, `DONE` or `SCRAP04`; None where it names none."""
    if text in COMMANDS:
        return Named(text)
    for name in COMMANDS_WITH_REASON:
        reason = text.removeprefix(name).strip(" ")
        if text.startswith(name) and _FORMS.get(name, _REASON).fullmatch(reason):
            return Named(name, reason)
    return None


def example(text: str) -> str | None:
    """The right form of a command that a text only begins to name; None where it begins none."""
    lacking = next((name for name in COMMANDS_WITH_REASON if text.startswith(name)), None)
    return _EXAMPLES.get(lacking, f"{lacking}04") if lacking else None
