"""Master data from a folder, for a plant without an interface: CSV and JSON files become one document.

One CSV file a list, named like it; what a record holds several of has a file of its own: operations, BOM
lines and outputs of orders, units of materials, shares of tools, each row naming what it belongs to. A JSON
file is a document as an ERP delivers it. A list that no file gives leaves the old one. The folder is read
whole: one problem in it, and nothing of it is taken.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.faults import MasterDataInvalid
from edge.masterdata.csvfile import CsvFile, Line
from edge.masterdata.document import TYPES, lists, records
from edge.masterdata.records import (
    AlternativeUnit,
    BomLine,
    Operation,
    OrderOutput,
    Row,
    ToolShare,
)

BYTES_MAX = 64 * 1024 * 1024  # of one file
PROBLEMS_MAX = 20  # named at once
_HINT = "The data held before stays in use; correct the file. `lineside check` says whether it fits"


@dataclass(frozen=True)
class Part:
    """A file for what records of another list hold several of."""

    list: str
    field: str
    kind: type[Row]
    owner: str  # the column that names the record


PARTS = {
    "operations": Part("work_orders", "operations", Operation, "work_order"),
    "bom": Part("work_orders", "bom", BomLine, "work_order"),
    "outputs": Part("work_orders", "outputs", OrderOutput, "work_order"),
    "units": Part("materials", "units", AlternativeUnit, "material"),
    "shares": Part("tools", "shares", ToolShare, "tool"),
}
Stamp = tuple[tuple[str, int, int], ...]


class FolderInvalid(MasterDataInvalid):
    """Files of the folder do not fit; `problems` names each with file, line and column."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"the master data was not taken: {problems[0]}{more}", hint=_HINT)


@dataclass(frozen=True)
class Content:
    """What a folder says: one document, its etag, and when the newest file was written."""

    body: bytes
    etag: str
    written_ms: int


def stamp(folder: Path) -> Stamp:
    """What tells one state of the folder from another. Raises FolderInvalid where it cannot be read."""
    try:
        found = [(path.name, path.stat()) for path in _files(folder)]
    except OSError as error:
        raise FolderInvalid([f"{folder}: cannot be read: {error.strerror}"]) from error
    return tuple((name, held.st_mtime_ns, held.st_size) for name, held in found)


def read(folder: Path) -> Content:
    """The folder's files as one document. Raises FolderInvalid."""
    seen = stamp(folder)
    reading = _Reading()
    for path in _files(folder):
        reading.take(path)
    found = reading.finished()
    if reading.problems:
        raise FolderInvalid(reading.problems)
    body = b"{" + b",".join(b'"%s":%s' % (name.encode(), rows) for name, rows in found.items()) + b"}"
    written_ms = max((mtime_ns for _, mtime_ns, _ in seen), default=0) // 1_000_000
    return Content(body, f'"{hashlib.sha256(body).hexdigest()[:16]}"', written_ms)


def _files(folder: Path) -> list[Path]:
    """The folder's data files; what editors and copying programs leave beside them is none."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in (".csv", ".json") and not path.name.startswith((".", "~", "$"))
    )


class _Reading:
    """The files of a folder as they are read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._given: dict[str, str] = {}  # list or part: the file that gives it
        self._arrays: dict[str, bytes] = {}  # by list, as JSON
        self._bodies: dict[str, bytes] = {}  # CSV files by list or part

    def take(self, path: Path) -> None:
        """Read a file. CSV files wait until it is known which there are."""
        try:
            body = path.read_bytes() if path.stat().st_size <= BYTES_MAX else None
        except OSError as error:
            self.problems.append(f"{path.name}: cannot be read: {error.strerror}")
            return
        if body is None:
            self.problems.append(f"{path.name}: is larger than {BYTES_MAX // 2**20} MiB")
        elif path.suffix.lower() == ".json":
            self._document(path.name, body)
        elif path.stem in TYPES or path.stem in PARTS:
            self._claim(path.stem, path.name)
            self._bodies[path.stem] = body
        else:
            allowed = ", ".join(f"{name}.csv" for name in (*TYPES, *PARTS))
            self.problems.append(f"{path.name}: no list is called so; allowed: {allowed}")

    def finished(self) -> dict[str, bytes]:
        """Each list as a JSON array; what does not fit is among the problems."""
        for name in PARTS:
            owner = PARTS[name].list
            if name in self._bodies and owner not in self._bodies:
                self.problems.append(f"{name}.csv: belongs to {owner}.csv, which is not there")
        for name in TYPES:
            if name in self._bodies:
                self._arrays[name] = b"[" + b",".join(self._rows(name)) + b"]"
        del self.problems[PROBLEMS_MAX:]
        return self._arrays

    def _claim(self, name: str, file: str) -> None:
        other = self._given.setdefault(name, file)
        if other != file:
            self.problems.append(f"{file}: {name} is in {other} already; keep one of them")

    def _document(self, file: str, body: bytes) -> None:
        try:
            found = lists(body.removeprefix(b"\xef\xbb\xbf"))
            for name, rows in found.items():
                self._claim(name, file)
                self._arrays[name] = bytes(rows.json)
                for _ in records(name, rows):
                    pass
        except MasterDataInvalid as fault:
            self.problems.append(f"{file}: {fault.message.removeprefix('the master data was not taken: ')}")

    def _rows(self, name: str) -> Iterator[bytes]:
        """The records of a CSV file with their parts, as JSON."""
        parts = {part.field: self._parts(stem) for stem, part in PARTS.items() if part.list == name}
        file = CsvFile(f"{name}.csv", self._bodies[name], TYPES[name])
        seen: dict[str, tuple[int, bytes]] = {}
        for line in file.lines():
            record = line.record
            own = {field: tuple(one.record for one in of.pop(record.key, ())) for field, of in parts.items()}
            body = self._whole(name, line, own)
            first, before = seen.setdefault(record.key, (line.number, body))
            if first == line.number:
                yield body
            elif before != body:
                text = f"is {record.key.replace(chr(31), ' ')} of line {first} again, and says something else"
                self.problems.append(f"{name}.csv line {line.number}: {text}")
        self.problems += file.problems
        for stem, part in PARTS.items():
            if part.list == name and not file.problems:
                self._left(stem, part, parts[part.field])

    def _whole(self, name: str, line: Line[Row], parts: dict[str, tuple[Row, ...]]) -> bytes:
        """A record with its parts; together they may contradict what each alone does not."""
        given = {field: held for field, held in parts.items() if held}
        try:
            whole = msgspec.structs.replace(line.record, **given) if given else line.record
        except ValueError as error:
            self.problems.append(f"{name}.csv line {line.number}: {error}")
            whole = line.record
        return msgspec.json.encode(whole)

    def _parts(self, stem: str) -> dict[str, list[Line[Row]]]:
        """A part's rows by what they belong to."""
        part, found = PARTS[stem], dict[str, list[Line[Row]]]()
        if stem not in self._bodies:
            return found
        file = CsvFile(f"{stem}.csv", self._bodies[stem], part.kind, part.owner)
        for line in file.lines():
            found.setdefault(line.owner, []).append(line)
        self.problems += file.problems
        return found

    def _left(self, stem: str, part: Part, left: dict[str, list[Line[Row]]]) -> None:
        """Rows that belong to nothing."""
        for owner, (first, *_) in left.items():
            text = f"{owner} is not in {part.list}.csv"
            self.problems.append(f"{stem}.csv line {first.number}, column {part.owner}: {text}")
