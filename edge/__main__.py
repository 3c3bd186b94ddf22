"""The command `lineside`.

The daemons (`run`, `collect`, `sync`) start without the command-line libraries, which would stay in their
memory for ever; everything else goes to edge.cli.
"""

import sys

DAEMONS = ("run", "collect", "sync")


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in DAEMONS and (config := _only_config(arguments[1:])) is not None:
        # structlog loads rich for its console wherever it is installed; a daemon has no console.
        sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
        from edge.main import daemon

        sys.exit(daemon(arguments[0], config[0]))
    from edge.cli.app import app

    app()


def _only_config(arguments: list[str]) -> tuple[str | None] | None:
    """The value of --config where nothing else is asked for; None hands the arguments to the full command."""
    match arguments:
        case []:
            return (None,)
        case ["--config" | "-c", path]:
            return (path,)
        case [given] if given.startswith("--config="):
            return (given.removeprefix("--config="),)
    return None


if __name__ == "__main__":
    main()
