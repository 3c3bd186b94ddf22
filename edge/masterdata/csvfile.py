"""One CSV file of master data: its rows as records, each problem with line and column.

UTF-8 with or without BOM, UTF-16 with BOM, GB18030 (as Excel writes it in China); comma, semicolon or tab.
"""

import csv
import difflib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from edge.masterdata.cells import Column, columns, shown
from edge.masterdata.records import Row

R = TypeVar("R", bound=Row)
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Line(Generic[R]):
    """A record with the line that it ends on, and the key of what it is a part of."""

    number: int
    owner: str
    record: R


class CsvFile(Generic[R]):
    """A file's rows. `problems` is filled while it is read."""

    def __init__(self, name: str, body: bytes, kind: type[R], owner: str | None = None) -> None:
        self.problems: list[str] = []
        self._name = name
        self._kind = kind
        self._owner = owner  # the column that says what a row is a part of
        self._columns = columns(kind)
        if owner is not None:
            self._columns = {owner: Column(owner, "text", True)} | self._columns
        self._body = body

    def lines(self) -> Iterator[Line[R]]:
        """The records, in order; rows with problems are left out."""
        text = _decoded(self._body)
        if text is None:
            self._problem(0, "", "is neither UTF-8 nor GB18030; save it as `CSV UTF-8`")
            return
        head, _, rest = text.partition("\n")
        if head.startswith("sep="):  # what some programs tell Excel
            text = rest
        delimiter = _delimiter(text)
        offset = 1 if head.startswith("sep=") else 0
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            header = [cell.strip() for cell in next(rows, [])]
            if not self._fits(header):
                return
            for row in rows:
                found = self._line(rows.line_num + offset, header, row, comma=delimiter == ";")
                if found is not None:
                    yield found
        except csv.Error as error:
            self._problem(rows.line_num + offset, "", f"{error}; write a quote within a cell twice")

    def _fits(self, header: list[str]) -> bool:
        """Whether the header names what is needed, and nothing that looks like a slip."""
        before = len(self.problems)
        if not any(header):
            self._problem(1, "", f"the first line must name the columns; allowed: {shown(self._columns)}")
        for name in header:
            near = difflib.get_close_matches(name, self._columns, 1, 0.8)
            if name and self._column(name) is None and near:
                self._problem(1, name, f"is no known column (did you mean {near[0]}?)")
            if name and header.count(name) > 1:
                self._problem(1, name, "is there more than once")
        missing = [one.name for one in self._columns.values() if one.needed and one.name not in header]
        if any(header) and missing:
            self._problem(1, ", ".join(missing), f"is missing; allowed columns: {shown(self._columns)}")
        return len(self.problems) == before

    def _column(self, name: str) -> Column | None:
        """The column of a header's cell; `refs.FMoId` belongs to `refs`."""
        exact = self._columns.get(name)
        if exact is not None and exact.kind != "table":
            return exact
        table, dot, key = name.partition(".")
        found = self._columns.get(table)
        return found if found is not None and found.kind == "table" and dot and key else None

    def _line(self, number: int, header: list[str], row: list[str], comma: bool) -> Line[R] | None:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            return None
        before = len(self.problems)
        if len(cells) > len(header):
            self._problem(number, "", f"has {len(cells)} cells, the first line names {len(header)}")
        values: dict[str, Any] = {}
        for name, cell in zip(header, cells, strict=False):
            column = self._column(name)
            if column is None or not cell:
                continue
            try:
                value = column.read(cell, comma)
            except ValueError as error:
                self._problem(number, name, str(error))
                continue
            if column.kind == "table":
                values.setdefault(column.name, {})[name.partition(".")[2]] = value
            else:
                values[name] = value
        for column in self._columns.values():
            if column.needed and column.name not in values and not self._named(number, column.name):
                self._problem(number, column.name, "is empty; it must be given")
        if len(self.problems) > before:
            return None
        return self._record(number, values)

    def _named(self, number: int, column: str) -> bool:
        """Whether a problem of this cell is known already."""
        return any(one.startswith(f"{self._name} line {number}, column {column}: ") for one in self.problems)

    def _record(self, number: int, values: Mapping[str, Any]) -> Line[R] | None:
        owner = str(values.get(self._owner, "")) if self._owner else ""
        own = {name: value for name, value in values.items() if name != self._owner}
        try:
            return Line(number, owner, msgspec.convert(own, self._kind))
        except msgspec.ValidationError as error:
            text, _, place = str(error).partition(" - at `$")
            self._problem(number, place.strip("`.").partition(".")[0].partition("[")[0], text)
            return None

    def _problem(self, number: int, column: str, text: str) -> None:
        line = f" line {number}" if number else ""
        self.problems.append(f"{self._name}{line}{f', column {column}' if column else ''}: {text}")


def _decoded(body: bytes) -> str | None:
    encodings = ("utf-8-sig", "gb18030")
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):  # Excel's "Unicode text"
        encodings = ("utf-16",)  # type: ignore[assignment]
    for encoding in encodings:
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _delimiter(text: str) -> str:
    """What separates the names of the first line."""
    head = text.partition("\n")[0]
    return max(_DELIMITERS, key=head.count)
