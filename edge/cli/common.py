"""What the commands share: the --config and --json options, tables, and faults as exit codes."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console

from edge.faults import Fault, SettingsFault, UplinkFault

P = ParamSpec("P")
R = TypeVar("R")

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The configuration; else /etc/lineside/lineside.toml.", show_default=False
    ),
]
# What SQLite can count to; a larger number would be nobody's.
NUMBER_MAX = 2**63 - 1
AsJson = Annotated[bool, typer.Option("--json", help="For machines: JSON on standard output.")]

# Without emoji: rich would show the bytes ":AB:" of a fingerprint, or of a lot's number, as one.
out = Console(emoji=False)
err = Console(stderr=True, emoji=False)

FAULT, USAGE, UNREACHABLE = 1, 2, 3


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Show a Fault as its message and hint, with the exit code that its kind has."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except SettingsFault as fault:
            print(fault, file=sys.stderr)
            raise typer.Exit(USAGE) from fault
        except UplinkFault as fault:
            print(fault, file=sys.stderr)
            raise typer.Exit(UNREACHABLE) from fault
        except Fault as fault:
            print(fault, file=sys.stderr)
            raise typer.Exit(FAULT) from fault

    return run
