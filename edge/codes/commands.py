"""The names on command cards, as they stand behind `LSC`, `Z` and (92)."""

import re
from typing import NamedTuple

COMMANDS_WITH_REASON = ("SCRAP", "REWORK", "PAUSE", "EXTRA")
COMMANDS = (
    "DONE", "PART", "OK", "GO", "UNDO", "SETUP", "OUT", "RETURN", "UNMOUNT", "SHIFT",
)  # fmt: skip

_REASON = re.compile(r"[A-Z0-9._-]{1,40}")


class Named(NamedTuple):
    """A command; SCRAP, REWORK, PAUSE and EXTRA carry a reason."""

    name: str
    reason: str | None = None


def named(text: str) -> Named | None:
    """The command that a text names, `DONE` or `SCRAP04`; None where it names none."""
    if text in COMMANDS:
        return Named(text)
    for name in COMMANDS_WITH_REASON:
        reason = text.removeprefix(name).strip(" ")
        if text.startswith(name) and _REASON.fullmatch(reason):
            return Named(name, reason)
    return None
