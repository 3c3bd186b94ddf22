"""The tools of the power cuts: a trace is read in its order, and a disk keeps what it must and no more."""

import random
from pathlib import Path

import pytest

from tests.faults.powercut import SECTOR, Disk, Kind
from tests.faults.recording import Recording
from tests.faults.table import Row, added_up, rendered
from tests.faults.trace import Act, Create, Moment, Rename, Said, Sync, Unlink, Write, moments

FOLDER, VOICE = Path("/d"), Path("/v")


def hexed(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def handle(path: str) -> str:
    return f"7<{hexed(path)}>"


def done(*acts: Act) -> list[Moment]:
    return [Moment(act, ends) for act in acts for ends in (False, True)]


def left(folder: Path, disk: Disk, kind: Kind, seed: int = 0) -> dict[str, bytes]:
    """What a cut leaves."""
    found = folder / f"{kind}-{seed}"
    found.mkdir()
    disk.image(found, kind, random.Random(seed))
    return {path.name: path.read_bytes() for path in found.iterdir()}


def test_calls_of_several_threads_are_read_in_the_order_in_which_they_began_and_ended() -> None:
    lines = [
        f'11 openat(AT_FDCWD<{hexed("/")}>, "{hexed("/d/a")}", O_RDWR|O_CREAT, 0644) = {handle("/d/a")}',
        f'12 pwrite64({handle("/d/a")}, "{hexed("abc")}", 3, 10 <unfinished ...>',
        f'11 write({handle("/v")}, "{hexed("said")}", 4) = 4',
        f'13 pwrite64({handle("/d/a")}, "{hexed("lost")}", 4, 0) = -1 ENOSPC (No space left on device)',
        f'13 pwrite64({handle("/elsewhere/a")}, "{hexed("x")}", 1, 0) = 1',
        "12 <... pwrite64 resumed>) = 2",
        f"12 fdatasync({handle('/d/a')} <unfinished ...>",
        f"13 fsync({handle('/d')})   = 0",
        "12 <... fdatasync resumed>) = 0",
        "12 +++ exited with 0 +++",
        f'11 write({handle("/v")}, "{hexed("last")}", 4) = ?',
    ]
    create, write, said, sync, folder, last = (
        Create("a"), Write("a", 10, b"ab"), Said(b"said"), Sync("a"), Sync(""), Said(b"last"),
    )  # fmt: skip
    assert moments(lines, FOLDER, [VOICE]) == [
        *done(create), Moment(write, False), *done(said), Moment(write, True),
        Moment(sync, False), *done(folder), Moment(sync, True), *done(last),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "call", [f"fallocate({handle('/d/a')}, 0, 0, 5) = 0", f'write({handle("/d/a")}, "{hexed("x")}", 1) = 1']
)
def test_a_change_that_cannot_be_followed_is_refused(call: str) -> None:
    with pytest.raises(AssertionError, match="is not followed"):
        moments([f"1 {call}"], FOLDER)


def test_only_what_was_written_before_a_sync_began_is_durable(tmp_path: Path) -> None:
    disk = Disk({"a": b"____"})
    first, second, sync = Write("a", 0, b"1"), Write("a", 1, b"2"), Sync("a")
    for moment in [*done(first), Moment(sync, False), *done(second), Moment(sync, True)]:
        disk.take(moment)
    assert left(tmp_path, disk, "dropped") == {"a": b"1___"}
    assert left(tmp_path, disk, "kept") == {"a": b"12__"}


def test_a_name_is_durable_only_with_its_folder(tmp_path: Path) -> None:
    disk = Disk({"old": b"x", "gone": b"y"})
    for moment in done(Create("new"), Write("new", 0, b"z"), Sync("new"), Unlink("gone")):
        disk.take(moment)
    assert left(tmp_path, disk, "dropped") == {"old": b"x", "gone": b"y"}
    for moment in done(Sync(""), Rename("old", "other")):
        disk.take(moment)
    assert left(tmp_path, disk, "dropped", 1) == {"new": b"z", "old": b"x"}
    assert left(tmp_path, disk, "kept", 1) == {"new": b"z", "other": b"x"}


def test_a_torn_cut_keeps_any_sectors_and_nothing_that_was_never_written(tmp_path: Path) -> None:
    disk = Disk({"a": b"o" * (4 * SECTOR)})
    for moment in done(Write("a", 0, b"n" * (4 * SECTOR))):
        disk.take(moment)
    seen = set()
    for seed in range(200):
        content = left(tmp_path, disk, "torn", seed)["a"]
        sectors = [content[at : at + SECTOR] for at in range(0, len(content), SECTOR)]
        assert all(sector in (b"o" * SECTOR, b"n" * SECTOR) for sector in sectors)
        seen.add("".join(chr(sector[0]) for sector in sectors))
    assert len(seen) == 2**4


def test_a_hasty_recording_tells_before_the_sync_has_ended() -> None:
    sync, said = Sync("a"), Said(b"ack 1\n")
    given = Recording([*done(Create("a"), Write("a", 0, b"x"), sync, said)])
    ((at, line),) = given.hasty().told
    assert (given.moments[at], line) == (Moment(sync, True), "ack 1")
    assert given.told_by(at) == []


def test_rows_of_one_fault_are_added_up_and_a_loss_fails() -> None:
    given = [Row("kill", "sync", 3, 10).properties(), Row("kill", "sync", 4, 20).properties(), ("other", 1)]
    assert added_up(given) == [Row("kill", "sync", 7, 30)]
    assert "30" in rendered(added_up(given), 80, colours=False)
    for bad in (Row("a", lost=1), Row("a", doubled=1), Row("a", control=True)):
        with pytest.raises(AssertionError):
            bad.judged()
    Row("a", lost=1, control=True).judged()
