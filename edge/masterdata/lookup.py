"""Master data as collect reads it: small lists whole, orders, materials and lots one by one as asked for.

Ten thousand orders and a hundred thousand lots as objects take 170 MB and two seconds; read from the file by
key, one takes some 40 to 200 µs. Everything that one `MasterData` says is of one generation, whatever sync
writes meanwhile.
"""

import sqlite3
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from edge.faults import MasterDataUnreadable
from edge.masterdata.document import LISTS, TYPES
from edge.masterdata.held import MasterData
from edge.masterdata.records import (
    ActivityRate,
    Lot,
    Material,
    Period,
    Person,
    Reason,
    Row,
    Tool,
    WorkCenter,
    WorkOrder,
)
from edge.schema import code_of, is_folder, read_only

LARGE = ("work_orders", "materials", "lots")
_CACHED = 256  # records of a list that stay decoded
_BUSY_S = 0.5  # only the recovery after a crash of sync makes a reader wait
R = TypeVar("R", bound=Row)
V = TypeVar("V")


class Version(NamedTuple):
    """Which file, which generation in it, and when it was last known to be the newest."""

    inode: int
    generation: int
    seen_ms: int


@dataclass(frozen=True)
class HeldLists:
    """Each list; None: never received."""

    work_orders: Collection[WorkOrder] | None = None
    materials: Collection[Material] | None = None
    lots: Collection[Lot] | None = None
    people: Collection[Person] | None = None
    work_centers: Collection[WorkCenter] | None = None
    tools: Collection[Tool] | None = None
    activities: Collection[ActivityRate] | None = None
    reasons: Collection[Reason] | None = None
    periods: Collection[Period] | None = None


class Reader:
    """Reads masterdata.db for as long as the process lives. Its methods wait for the disk, but for `lost`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._given: Version | None = None
        self._last = MasterData()

    def news(self) -> MasterData | None:
        """What is held, where it is not what was given last. Raises MasterDataUnreadable."""
        version = _version(self._path)
        if version is None or version == self._given:
            return None
        if self._given is not None and version[:2] == self._given[:2]:
            self._last = self._last.seen(version.seen_ms)
        else:
            self._last = _Kept(_Generation(self._path, version.generation), version.seen_ms)
        self._given = version
        return self._last

    def lost(self, fault: MasterDataUnreadable) -> MasterData:
        """What is left where a lookup failed: nothing, until something else is delivered."""
        self._last = MasterData()
        if fault.passing:
            self._given = None
        return self._last


def load(path: Path) -> MasterData:
    """What is held; nothing where there is no such file yet. Raises MasterDataUnreadable."""
    return Reader(path).news() or MasterData()


def _version(path: Path) -> Version | None:
    """What is there now; None where nothing was ever delivered."""
    try:
        inode = path.stat().st_ino
        with closing(_connected(path)) as db:
            generation, seen_ms = db.execute(_VERSION).fetchone()
    except FileNotFoundError:
        return None
    except (OSError, sqlite3.Error) as error:
        if "no such table" in str(error):  # sync is making the file
            return None
        raise _unreadable(path, error) from error
    return Version(inode, generation, seen_ms) if generation is not None else None


class _Generation:
    """The records of one generation."""

    def __init__(self, path: Path, number: int) -> None:
        self.number = number
        self._path = path
        try:
            self._db = _connected(path)
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
        weakref.finalize(self, self._db.close)

    def rows(self, sql: str, *values: object) -> Iterator[Any]:
        """Rows of a statement; `{now}` in it is the condition for this generation.

        Raises MasterDataUnreadable.
        """
        now = f"r.since <= {self.number} AND (r.until IS NULL OR r.until > {self.number})"
        try:
            yield from self._db.execute(sql.format(now=now), values)
        except sqlite3.Error as error:
            raise _unreadable(self._path, error) from error

    def decoded(self, decoder: "msgspec.json.Decoder[R]", body: bytes) -> R:
        try:
            return decoder.decode(body)
        except msgspec.DecodeError as error:
            raise _unreadable(self._path, error) from error


class _List(Collection[R], Generic[R]):
    """A large list, read as asked for; its records in the order of their keys."""

    def __init__(self, generation: _Generation, name: str, kind: type[R]) -> None:
        self._generation = generation
        self._name = name
        self._decoder = msgspec.json.Decoder(kind)

    def get(self, key: str) -> R | None:
        """The record of this key."""
        return next(self._decoded(_BY_KEY, key), None)

    def named(self, name: str) -> tuple[R, ...]:
        """The records that are also called so."""
        return tuple(self._decoded(_BY_NAME, name))

    def keys(self) -> list[str]:
        """Every record's key."""
        return [key for (key,) in self._generation.rows(_KEYS, self._name)]

    def names(self) -> list[str]:
        """What records are also called."""
        return [name for (name,) in self._generation.rows(_NAMES, self._name)]

    def __iter__(self) -> Iterator[R]:
        return self._decoded(_ALL)

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, record: object) -> bool:
        return isinstance(record, Row) and self.get(record.key) == record

    def _decoded(self, sql: str, *values: object) -> Iterator[R]:
        for (body,) in self._generation.rows(sql, self._name, *values):
            yield self._generation.decoded(self._decoder, body)


class _Found(Mapping[str, V]):
    """What `find` finds by name, the last ones kept; `names` says what there is."""

    def __init__(self, find: Callable[[str], V | None], names: Callable[[], list[str]]) -> None:
        self._find = find
        self._names = names
        self._cache: dict[str, V | None] = {}

    def __getitem__(self, name: str) -> V:
        if name not in self._cache:
            if len(self._cache) >= _CACHED:
                del self._cache[next(iter(self._cache))]
            self._cache[name] = self._find(name)
        found = self._cache[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


class _Kept(MasterData):
    """Master data of one generation of the file."""

    def __init__(self, generation: _Generation, seen_ms: int) -> None:
        etag = next(generation.rows("SELECT etag FROM generations WHERE generation = ?", generation.number))
        received = {name for (name,) in generation.rows("SELECT list FROM lists")}
        self._lists: dict[str, _List[Any]] = {
            name: _List(generation, name, TYPES[name]) for name in LISTS if name in received
        }
        found: dict[str, Any] = {
            name: one if name in LARGE else tuple(one) for name, one in self._lists.items()
        }
        super().__init__(HeldLists(**found), etag[0], seen_ms)

    @cached_property
    def orders(self) -> Mapping[str, WorkOrder]:
        return self._by_key("work_orders")

    def orders_at(self, work_center: str) -> Iterable[WorkOrder]:
        one = self._lists.get("work_orders")
        return one.named(work_center) if one else ()

    @cached_property
    def materials(self) -> Mapping[str, Material]:
        return self._by_key("materials")

    @cached_property
    def lots(self) -> Mapping[str, tuple[Lot, ...]]:
        return self._by_name("lots")

    @cached_property
    def materials_called(self) -> Mapping[str, tuple[Material, ...]]:
        return self._by_name("materials")

    def _by_name(self, name: str) -> Mapping[str, tuple[Any, ...]]:
        one = self._lists.get(name)
        return _Found(lambda called: one.named(called) or None, one.names) if one else {}

    def _by_key(self, name: str) -> Mapping[str, Any]:
        one = self._lists.get(name)
        return _Found(one.get, one.keys) if one else {}


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        read_only(path), uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )


def _unreadable(path: Path, error: Exception) -> MasterDataUnreadable:
    folder = is_folder(path)
    damaged = folder or code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    hint = "Restart lineside-sync: it sets the file aside and fetches anew" if damaged else ""
    return MasterDataUnreadable(
        f"{path} cannot be read: {'it is a folder' if folder else error}",
        hint=hint or "Check the disk and the file's rights",
        passing=code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
    )


_VERSION = "SELECT (SELECT max(generation) FROM generations), (SELECT ifnull(max(seen_ms), 0) FROM sources)"
_BY_KEY = "SELECT r.body FROM records AS r WHERE r.list = ? AND r.key = ? AND {now}"
_BY_NAME = (
    "SELECT r.body FROM names AS n JOIN records AS r ON r.id = n.record"
    " WHERE n.list = ? AND n.name = ? AND {now} ORDER BY r.key"
)
_ALL = "SELECT r.body FROM records AS r WHERE r.list = ? AND {now} ORDER BY r.key"
_KEYS = "SELECT r.key FROM records AS r WHERE r.list = ? AND {now} ORDER BY r.key"
_NAMES = (
    "SELECT DISTINCT n.name FROM names AS n JOIN records AS r ON r.id = n.record"
    " WHERE n.list = ? AND {now} ORDER BY n.name"
)
