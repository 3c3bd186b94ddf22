"""A cell of a CSV file as a value of its column: what people and Excel write, and nothing guessed.

A cell that is not what its column needs raises ValueError with what is allowed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from edge.masterdata.records import Row

SEPARATOR = "|"  # between the entries of a cell that holds several
_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_DAY = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
_SHORTENED = re.compile(r"[0-9](\.[0-9]+)?E\+[0-9]+")
_YES = ("true", "yes", "1", "是")
_NO = ("false", "no", "0", "否")


@dataclass(frozen=True)
class Column:
    """A column of a CSV file. `kind` is text, decimal, day, flag, list, word or table."""

    name: str
    kind: str
    needed: bool
    words: tuple[str, ...] = ()

    def read(self, cell: str, comma: bool) -> Any:
        """The value of a cell that is not empty; `comma`: the file's decimals may have a comma."""
        match self.kind:
            case "decimal":
                return _decimal(cell, comma)
            case "day":
                return _day(cell)
            case "flag":
                return _flag(cell)
            case "word":
                return self._word(cell)
            case "list":
                return [_text(one.strip()) for one in cell.split(SEPARATOR) if one.strip()]
        return _text(cell)

    def _word(self, cell: str) -> str:
        if cell not in self.words:
            raise ValueError(f"{cell!r} is none of {', '.join(self.words)}")
        return cell


def columns(kind: type[Row]) -> dict[str, Column]:
    """The columns of a record, by their names in the file; parts that are records themselves have none."""
    return {column.name: column for column in _columns(kind)}


def _columns(kind: type[Row]) -> Iterator[Column]:
    for field in msgspec.structs.fields(kind):
        plain = _plain(field.type)
        name = field.encode_name
        if plain is Decimal:
            yield Column(name, "decimal", field.required)
        elif plain is bool:
            yield Column(name, "flag", field.required)
        elif get_origin(plain) is Literal:
            yield Column(name, "word", field.required, get_args(plain))
        elif get_origin(plain) is dict:
            yield Column(name, "table", field.required)
        elif get_origin(plain) is tuple:
            if get_args(plain)[0] is str:
                yield Column(name, "list", field.required)
        else:
            yield Column(name, "day" if field.name in kind.dates else "text", field.required)


def _plain(kind: Any) -> Any:
    """A field's type without None and annotations."""
    while get_origin(kind) in (Union, UnionType, Annotated):
        kind = next(one for one in get_args(kind) if one is not type(None))
    return kind


def _decimal(cell: str, comma: bool) -> str:
    if comma and _COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    if not _DECIMAL.fullmatch(cell):
        raise ValueError(f"{cell!r} is no number; allowed: digits with a decimal point, for example 0.48")
    return cell.removeprefix("+")


def _day(cell: str) -> str:
    found = _DAY.fullmatch(cell)
    if found is None:
        raise ValueError(f"{cell!r} is no day; allowed: 2027-01-31 or 2027/1/31")
    return f"{found[1]}-{int(found[2]):02d}-{int(found[3]):02d}"


def _flag(cell: str) -> bool:
    if cell.lower() not in (*_YES, *_NO):
        raise ValueError(f"{cell!r} is neither yes nor no; allowed: {', '.join((*_YES, *_NO))}")
    return cell.lower() in _YES


def _text(cell: str) -> str:
    if _SHORTENED.fullmatch(cell):
        raise ValueError(
            f"{cell!r} is a number that Excel has shortened; format the column as text and enter it again"
        )
    return cell


def shown(columns: Mapping[str, Column]) -> str:
    """The columns' names for a message."""
    return ", ".join(f"{one.name}.<key>" if one.kind == "table" else one.name for one in columns.values())
