"""`lineside init`: a configuration to start from."""

from pathlib import Path
from typing import Annotated

import typer

from edge import main
from edge.cli.common import FAULT, err, guarded, out
from edge.settings import DEFAULT_PATH

STARTER = Path(__file__).with_name("starter.toml")


@guarded
def init(
    config: Annotated[Path, typer.Option("--config", "-c", help="Where to write it.")] = DEFAULT_PATH,
    edge_id: Annotated[
        str, typer.Option("--id", help="This PC's name in every fact, L3-IPC1 for one.")
    ] = "IPC1",
    site: Annotated[str, typer.Option(help="The plant.")] = "site",
    line: Annotated[str, typer.Option(help="The line.")] = "L1",
    timezone: Annotated[str, typer.Option(help="An IANA name.")] = "Asia/Shanghai",
    language: Annotated[str, typer.Option(help="en or zh-CN.")] = "zh-CN",
    data_dir: Annotated[Path, typer.Option(help="Where journal and buffer live: a local disk.")] = Path(
        "/var/lib/lineside"
    ),
    replace: Annotated[
        bool,
        typer.Option("--replace", help="This PC takes the place of a dead one; --config is the old PC's."),
    ] = False,
) -> None:
    """Write a configuration with one example of each part, every line explained. Overwrites nothing.

    With --replace: begin the journal of a dead PC's successor under the same edge id. It is a new epoch, so
    no number of the old one is used again, and its first event says that something may be missing.
    """
    if replace:
        out.print(f"{main.replaced(main.load(config))}. Now start lineside", markup=False, soft_wrap=True)
        return
    try:
        exists = config.exists()
    except OSError as error:
        err.print(f"{config} could not be written: {error.strerror}. Use --config FILE", markup=False)
        raise typer.Exit(FAULT) from error
    if exists:
        err.print(f"{config} exists and was left as it is. Name another file with --config", markup=False)
        raise typer.Exit(FAULT)
    values = {
        "id": edge_id, "site": site, "line": line, "timezone": timezone, "language": language,
        "data_dir": str(data_dir),
    }  # fmt: skip
    text = STARTER.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(text, encoding="utf-8")
    except OSError as error:
        err.print(
            f"{config} could not be written: {error.strerror}. Run as root, or use --config FILE",
            markup=False,
        )
        raise typer.Exit(FAULT) from error
    try:
        main.load(config)
    except BaseException:
        config.unlink()
        raise
    out.print(
        f"{config} written. Edit it, then: lineside check --config {config}", markup=False, soft_wrap=True
    )
