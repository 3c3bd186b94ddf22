"""`lineside backup` and `lineside restore`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from edge import main
from edge.backup import Manifest, back_up, checked, put_back
from edge.cli.common import FAULT, Config, err, guarded, out
from edge.lock import Lock


@guarded
def backup(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A new folder; else lineside-<edge>-<time> here.", show_default=False),
    ] = None,
    config: Config = None,
) -> None:
    """Copy journal, delivery state and master data into a new folder, while the line runs.

    The configuration, secrets and OPC UA keys are not in it: keep /etc/lineside apart, and pki in data_dir.
    """
    loaded = main.load(config)
    target = folder or Path(f"lineside-{loaded.edge.id}-{datetime.now(loaded.edge.zone):%Y%m%d-%H%M%S}")
    data_dir = loaded.edge.data_dir
    with err.status("copying") as status:
        manifest = back_up(
            data_dir / main.JOURNAL,
            data_dir / main.STORE,
            target,
            lambda name: status.update(f"copying {name}"),
        )
    size = sum(one.size for one in manifest.files) / 2**20
    out.print(f"{target}: {len(manifest.files)} files, {size:,.1f} MiB", highlight=False, soft_wrap=True)
    out.print(f"journal of {_whose(manifest)}, through seq {manifest.head}", highlight=False)
    _say_without_masterdata(manifest)


@guarded
def restore(
    folder: Annotated[Path, typer.Argument(help="What `lineside backup` wrote.")],
    config: Config = None,
    other: Annotated[
        bool, typer.Option("--other", help="Although it is the backup of another edge id.")
    ] = False,
) -> None:
    """Put a backup into the data folder. The line must be stopped.

    The next start begins a new epoch: no number is used twice. What was recorded after the backup is missing;
    a journal that is still there is set aside and delivered too.
    """
    loaded = main.load(config)
    data_dir = main.ensured(loaded.edge.data_dir)
    journal, store = data_dir / main.JOURNAL, data_dir / main.STORE
    with Lock(journal) as lock, Lock(store, "sync"), err.status("checking and copying"):
        manifest = checked(folder)
        if (manifest.site, manifest.edge) != (loaded.edge.site, loaded.edge.id) and not other:
            err.print(
                f"{folder} is the backup of {_whose(manifest)}; this is {loaded.edge.site}:{loaded.edge.id}."
                " Nothing was put back. Give --other if that is meant",
                markup=False,
                soft_wrap=True,
            )
            raise typer.Exit(FAULT)
        put_back(folder, journal, store, lock)
    out.print(f"{data_dir}: journal of {_whose(manifest)}, through seq {manifest.head}", highlight=False)
    _say_without_masterdata(manifest)
    out.print(
        "The next start begins a new epoch. Start lineside; then compare: lineside status", highlight=False
    )


def _say_without_masterdata(manifest: Manifest) -> None:
    if not any(one.name == main.MASTERDATA for one in manifest.files):
        out.print("No master data is in it: orders and lots are known once the ERP has delivered them",
                  highlight=False)  # fmt: skip


def _whose(manifest: Manifest) -> str:
    return f"{manifest.site}:{manifest.edge}, epoch {manifest.epoch}"
