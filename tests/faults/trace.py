"""What a process did to its files, in one order: its system calls, recorded by strace and read back.

Invariants: a call has a beginning and an end; other threads' calls may lie between them. strace holds a
thread at both, so whoever is told of an end begins after it. A change that this page cannot follow (another
call, a shared mapping) is refused, never overlooked. A failed call did nothing.
"""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.storage import BALLAST
from tests.patience import PATIENCE_S

_FOLLOWED = ("openat", "pwrite64", "write", "ftruncate", "fsync", "fdatasync", "unlink", "rename")
_NOTHING = ("sync_file_range",)  # starts writing back; promises nothing
_REFUSED = (
    "open", "creat", "writev", "pwritev", "pwritev2", "truncate", "fallocate", "mkdir", "rmdir", "unlinkat",
    "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "copy_file_range", "sendfile",
    "splice",
)  # fmt: skip


@dataclass(frozen=True)
class Write:
    """Bytes to a place in a file."""

    name: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class Resize:
    """A file cut off or lengthened."""

    name: str
    size: int


@dataclass(frozen=True)
class Create:
    """A name for a new file, unless there is one."""

    name: str


@dataclass(frozen=True)
class Unlink:
    """A name taken away."""

    name: str


@dataclass(frozen=True)
class Rename:
    """Another name for a file; what had it is gone."""

    name: str
    new: str


@dataclass(frozen=True)
class Sync:
    """What was done to a file before is durable when this ends; name "" is the folder itself."""

    name: str


@dataclass(frozen=True)
class Said:
    """What the process told somebody outside."""

    data: bytes


Act = Write | Resize | Create | Unlink | Rename | Sync | Said


@dataclass(frozen=True)
class Moment:
    """An act begins or ends."""

    act: Act
    ends: bool


def recorded(command: Sequence[object], trace: Path) -> list[str]:
    """The command line that runs `command` and writes its system calls to `trace`."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: sudo apt-get install strace")
    calls = ",".join([*_FOLLOWED, *_NOTHING, *_REFUSED, "mmap"])
    options = [
        "-f",
        "--seccomp-bpf",
        "-xx",
        "-y",
        "-s",
        "200000",
        "-e",
        f"trace={calls}",
        "-e",
        "signal=none",
    ]
    return ["strace", *options, "-o", str(trace), "--", *map(str, command)]


async def run(command: Sequence[object], trace: Path, cwd: Path, within_s: float = 4 * PATIENCE_S) -> None:
    """Run a command under strace to its end, which must be a good one."""
    line = recorded(command, trace)
    process = await asyncio.create_subprocess_exec(
        *line, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        told, _ = await asyncio.wait_for(process.communicate(), within_s)
    finally:
        await over(process)
    assert process.returncode == 0, told.decode(errors="replace")


def followed(tracer: int) -> int:
    """The process that strace follows; 0 before it is there and after its end."""
    try:
        found = Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()
    except OSError:
        return 0
    return int(found[0]) if found else 0


async def over(tracer: asyncio.subprocess.Process) -> None:
    """Make sure that strace and what it follows have ended. It heeds no SIGTERM, and ends with its child."""
    while tracer.returncode is None:
        if child := followed(tracer.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(tracer.wait()), 1)


def read(trace: Path, folder: Path, voices: Iterable[Path] = ()) -> list[Moment]:
    """What happened to `folder` and was written to `voices`, in order."""
    with trace.open(encoding="ascii") as lines:
        return moments(lines, folder, voices)


def moments(lines: Iterable[str], folder: Path, voices: Iterable[Path] = ()) -> list[Moment]:
    """The same from the lines of a trace."""
    heard = {str(voice) for voice in voices}
    marks = [_escaped(str(path)) for path in (folder, *heard)]
    open_calls: dict[str, tuple[int, str, str]] = {}  # thread: where its call began, name, what is known
    found: list[Moment | None] = []
    acts: list[tuple[int, Act]] = []  # unfinished ones: their place is kept free
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        thread, resumed, rest, name, text = match.groups()
        if resumed is None and text.endswith(_UNFINISHED):
            open_calls[thread] = (len(found), name, text.removesuffix(_UNFINISHED))
            found.append(None)
            continue
        place = len(found)
        if resumed is not None:
            place, name, begun = open_calls.pop(thread)
            text = begun + rest
        else:
            found.append(None)
        if any(mark in text for mark in marks) and (given := list(_acts(name, text, folder, heard))):
            acts += [(place, act) for act in given]
            found += [Moment(act, ends=True) for act in given]
    for place, name, text in open_calls.values():  # the process was killed within them
        if any(mark in text for mark in marks):
            given = list(_acts(name, f"{text}) = ?", folder, heard))
            acts += [(place, act) for act in given]
            found += [Moment(act, ends=True) for act in given]
    begun_at: dict[int, list[Moment]] = {}
    for place, act in acts:
        begun_at.setdefault(place, []).append(Moment(act, ends=False))
    ordered: list[Moment] = []
    for place, moment in enumerate(found):
        ordered += begun_at.get(place, ()) if moment is None else (moment,)
    return ordered


def _acts(name: str, text: str, folder: Path, heard: set[str]) -> Iterator[Act]:
    match = _RESULT.match(text)
    assert match is not None, text[:300]
    arguments, result, opened = match.groups()
    if result == "-1" or "ERESTART" in opened or _DELETED in arguments or name in _NOTHING:
        return
    strings = [_plain(one) for one in _STRING.findall(arguments)]
    handle = _HANDLE.match(arguments)
    path = _plain(handle[2]).decode() if handle else ""
    if name == "write" and path in heard:
        # Where the process was killed within it, somebody may have heard it: it counts.
        yield Said(strings[0][: None if result == "?" else int(result)])
        return
    if name == "openat":
        path = _plain(opened.strip()[1:-1]).decode()
    elif name in ("unlink", "rename"):
        path = strings[0].decode()
    elif name == "mmap":
        path = next((_plain(one).decode() for one in _MAPPED.findall(arguments)), "")
    if path != str(folder) and not path.startswith(f"{folder}/"):
        return
    assert result != "?", f"killed within {name} on {path}: nobody knows whether it was done"
    yield from _followed(name, path[len(str(folder)) + 1 :], arguments, strings, int(result, 0), folder)


def _followed(
    name: str, file: str, arguments: str, strings: list[bytes], result: int, folder: Path
) -> Iterator[Act]:
    match name:
        case "openat":
            if "O_CREAT" in arguments:
                yield Create(file)
            if "O_TRUNC" in arguments:
                yield Resize(file, 0)
        case "pwrite64":
            assert '"...' not in arguments, "strace cut the bytes off"
            yield Write(file, int(arguments.rpartition(", ")[2]), strings[0][:result])
        case "ftruncate":
            yield Resize(file, int(arguments.rpartition(", ")[2]))
        case "fsync" | "fdatasync":
            yield Sync(file)
        case "unlink":
            yield Unlink(file)
        case "rename":
            yield Rename(file, Path(strings[1].decode()).relative_to(folder).name)
        case "mmap":
            writes = "PROT_WRITE" in arguments and "MAP_SHARED" in arguments
            assert not writes or volatile(file), f"{file} is changed through memory"
        case "fallocate" if volatile(file):
            pass
        case _:
            raise AssertionError(f"{name} on {file} is not followed")


def volatile(name: str) -> bool:
    """Whether a file's bytes mean nothing after a start: SQLite's index of the WAL, and what keeps room."""
    return name.endswith("-shm") or name == BALLAST


def _escaped(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def _plain(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


_UNFINISHED = " <unfinished ...>"
_DELETED = "(deleted)"  # written to, but without a name: nobody finds it again
_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*))$")
_RESULT = re.compile(r"(.*)\) += (-?\d+|0x[0-9a-f]+|\?)(.*)$")
_HANDLE = re.compile(r"(\d+)<((?:\\x[0-9a-f]{2})*)>")
_MAPPED = re.compile(r", \d+<((?:\\x[0-9a-f]{2})*)>")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
