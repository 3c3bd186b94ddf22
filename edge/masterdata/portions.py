"""The lists of a delivered document, cut into portions that are read one after the other.

Reading JSON holds the interpreter's lock from the first byte to the last, and a scan in the same process
waits as long. So a large document is not read as a whole: its lists are cut between two records, where what
lies before the cut reads as whole records; brackets and quotes that close prove the place. A document that is
laid out otherwise (keys with escapes or unknown ones behind a list, records that begin differently) is read
as a whole, and so is a small one.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

PORTION_BYTES = 256 * 1024  # read in less than a millisecond
_TRIED = 20  # places that look like an end and are none

_array = msgspec.json.Decoder(list[msgspec.Raw])
_any = msgspec.json.Decoder(msgspec.Raw)
_S = rb"[ \t\r\n]*"
_DOCUMENT = re.compile(_S + rb"\{")
_KEY = re.compile(_S + rb'"([ !#-\[\]-~]*)"' + _S + rb":" + _S)  # of plain letters, as all known ones are
_LIST = re.compile(rb"\[" + _S + rb"(?=\{" + _S + rb'("[^"\\]*"))')
_SHORT = re.compile(rb'null|true|false|-?[0-9.eE+-]+|"[^"\\]*"|\[' + _S + rb"\]")
_BEHIND = re.compile(_S + rb"(?:(,)|\}" + _S + rb"\Z)")


class Rows:
    """A list as delivered: its records in order, each as its JSON."""

    def __init__(self, raw: memoryview, spans: Sequence[tuple[int, int]] = ()) -> None:
        self._raw = raw
        self._spans = spans  # of the portions within `raw`; none: it is one
        self._firsts: list[int] = []  # the number of each portion's first record
        self._last: tuple[int, list[msgspec.Raw]] = -1, []

    @property
    def json(self) -> memoryview:
        """The list as it came."""
        return self._raw

    def digest(self) -> bytes:
        """SHA-256 of the list's JSON."""
        return hashlib.sha256(self._raw).digest()

    def __iter__(self) -> Iterator[msgspec.Raw]:
        """Every record. Raises msgspec.DecodeError where this is no list."""
        self._firsts = []
        count = 0
        for portion in range(max(1, len(self._spans))):
            self._firsts.append(count)
            rows = self._read(portion)
            count += len(rows)
            yield from rows

    def __getitem__(self, number: int) -> msgspec.Raw:
        """A record that came by before."""
        portion = bisect_right(self._firsts, number) - 1
        return self._read(portion)[number - self._firsts[portion]]

    def _read(self, portion: int) -> list[msgspec.Raw]:
        if self._last[0] != portion:
            self._last = portion, _array.decode(self._json(portion))
        return self._last[1]

    def _json(self, portion: int) -> bytes | memoryview:
        if not self._spans:
            return self._raw
        begin, end = self._spans[portion]
        return _listed(self._raw[begin:end])


class Cutter:
    """Cuts documents whose lists bear these names."""

    def __init__(self, names: Sequence[str]) -> None:
        known = b'"(?:' + "|".join(names).encode() + b')"'
        self._end = re.compile(rb"\}(" + _S + rb"\])" + _S + rb"(?:," + _S + known + rb"|\}" + _S + rb"\Z)")

    def lists(self, body: bytes) -> dict[str, Rows] | None:
        """The lists that a document names; None where it must be read as a whole.

        What lies between records is checked here; the records are not.
        """
        if len(body) <= 4 * PORTION_BYTES:
            return None
        found: dict[str, Rows] = {}
        view = memoryview(body)
        before = _DOCUMENT.match(body)
        while before is not None and (key := _KEY.match(body, before.end())) is not None:
            value = self._list(view, key.end()) or _short(view, key.end())
            if value is None:
                return None
            rows, end = value
            name = key[1].decode()
            found.pop(name, None)  # the last of a name counts
            if rows is not None:
                found[name] = rows
            before = _BEHIND.match(body, end)
            if before is not None and before[1] is None:
                return found
        return None

    def _list(self, view: memoryview, begin: int) -> tuple[Rows, int] | None:
        """The list of objects that begins here, and where it ends."""
        opened = _LIST.match(view, begin)
        if opened is None:
            return None
        following = re.compile(rb"\}" + _S + rb"," + _S + rb"(?=\{" + _S + re.escape(opened[1]) + rb")")
        spans: list[tuple[int, int]] = []
        start = opened.end()
        while True:
            horizon = start + 2 * PORTION_BYTES
            if last := _found(self._end, view, start, start, horizon):
                end = last.start() + 1
                spans.append((start - begin, end - begin))
                closing = last.end(1)
                return Rows(view[begin:closing], spans), closing
            cut = _found(following, view, start, start + PORTION_BYTES, horizon)
            if cut is None:
                return None
            spans.append((start - begin, cut.start() + 1 - begin))
            start = cut.end()


def _found(
    end: "re.Pattern[bytes]", view: memoryview, start: int, place: int, horizon: int
) -> "re.Match[bytes] | None":
    """The first such end from `place` on, at which what begins at `start` is whole records."""
    for _ in range(_TRIED):
        at = end.search(view, place, horizon)
        if at is None:
            break
        if _reads(_array, _listed(view[start : at.start() + 1])):
            return at
        place = at.start() + 1
    return None


def _short(view: memoryview, begin: int) -> tuple[Rows | None, int] | None:
    """A value with nothing in it, and where it ends; no list where it is null."""
    at = _SHORT.match(view, begin)
    if at is None or not _reads(_any, view[begin : at.end()]):
        return None
    return (None if at[0] == b"null" else Rows(view[begin : at.end()])), at.end()


def _reads(decoder: msgspec.json.Decoder[Any], json: bytes | memoryview) -> bool:
    try:
        decoder.decode(json)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _listed(records: memoryview) -> bytes:
    return b"".join((b"[", records, b"]"))
