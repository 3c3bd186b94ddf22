"""A second endpoint, written from the contract alone: nothing of lineside, no framework, threads and sqlite3.

It posts each id once and in the order in which they come, and is as rude as the contract allows: in the
shape of its answers, in what it leaves out of them, in refusing whole calls, and in failing after it posted.
"""

import gzip
import json
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import zstandard

Event = dict[str, Any]
Result = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS posted (
  place INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT NOT NULL, seq INTEGER NOT NULL, work_order TEXT
);
CREATE INDEX IF NOT EXISTS posted_id ON posted (id);
CREATE INDEX IF NOT EXISTS posted_seq ON posted (source, seq);
"""


@dataclass(frozen=True)
class Posted:
    """A fact that counts in this ledger, in the order of posting."""

    id: str
    seq: int
    work_order: str | None


@dataclass
class Rudeness:
    """What this endpoint permits itself. `share` of the calls are answered rudely."""

    seed: int = 0
    share: float = 0.0
    events_max: int = 500  # 413 beyond
    encodings: frozenset[str] = frozenset(("zstd", "gzip", "identity"))  # 415 to others
    rejects: Callable[[int], bool] = lambda seq: False
    remembers: bool = True  # False is what the contract forbids: it posts again what it holds
    met: Counter[str] = field(default_factory=Counter)  # what was done, how often

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._deck: list[str] = []  # each rudeness as often as the others

    def drawn(self) -> str:
        """What to do to this call, or nothing."""
        if self.chance.random() >= self.share:
            return ""
        if not self._deck:
            self._deck = self.chance.sample(RUDENESSES, len(RUDENESSES))
        found = self._deck.pop()
        self.met[found] += 1
        return found


# Refusals before anything is posted; what is said instead of an answer after everything is posted.
_REFUSALS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "refused as busy": (409, {}, b'{"title": "the same facts are being posted"}'),
    "refused by a rate": (429, {"Retry-After": "a date"}, b""),
    "refused in HTML": (503, {"Content-Type": "text/html"}, b"<h1>Service Unavailable</h1>"),
    "refused in a word": (500, {}, "内部错误".encode("gb18030")),
}
_BLUNDERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "500 after posting": (500, {}, b"Traceback"),
    "204 after posting": (204, {}, b""),
    "HTML 200 after posting": (200, {"Content-Type": "text/html"}, b"<html>Please sign in</html>"),
    "bare 200 after posting": (200, {}, b""),
    "empty object after posting": (200, {}, b"{}"),
}
_SHAPES: dict[str, Callable[[list[Result], random.Random], list[Any]]] = {
    "results shuffled": lambda found, chance: chance.sample(found, len(found)),
    "results twice": lambda found, _: found + found,
    "results of others": lambda found, _: [{"id": "someone-else", "status": "rejected"}, *found],
    "results missing": lambda found, chance: [one for one in found if chance.random() < 0.9],
    "documents of any type": lambda found, _: [{**one, "document": [one["id"], None, 7]} for one in found],
    "problems of any type": lambda found, _: [{**one, "problem": "see log"} for one in found],
    "keys nobody knows": lambda found, _: [{"x-trace": {"a": [1.5e300]}, **one, "日期": 0} for one in found],
}
_FRAMES = ("chunked", "no length", "gzipped", "in pieces", "informed first", "white space")
_CUTS = ("posts the first half", "takes nothing")
RUDENESSES = (*_REFUSALS, *_BLUNDERS, *_SHAPES, *_FRAMES, *_CUTS)


class Foreign:
    """The endpoint, served by threads of its own. Use it as a context manager."""

    def __init__(self, path: Path, rudeness: Rudeness | None = None) -> None:
        self.rudeness = rudeness or Rudeness()
        self._path = path
        self._turn = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/erp/events"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)

    def __enter__(self) -> "Foreign":
        self._db.execute("PRAGMA synchronous = OFF")  # this one's own power is never cut
        self._db.executescript(_SCHEMA)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._db.close()

    def posted(self) -> list[Posted]:
        """The ledger, in the order of posting."""
        with closing(sqlite3.connect(self._path)) as db:
            rows = db.execute("SELECT id, seq, work_order FROM posted ORDER BY place")
            return [Posted(*row) for row in rows]

    def take(self, events: list[Event], first_half: bool) -> list[Result]:
        """Post in one transaction; what came of each. The second half may be put off."""
        with self._turn:
            self._db.execute("BEGIN")
            half = len(events) // 2 if first_half else len(events)
            found = [self._post(event) for event in events[:half]]
            self._db.execute("COMMIT")
        return found + [{"id": event["id"], "status": "retry"} for event in events[half:]]

    def _post(self, event: Event) -> Result:
        id_, source, seq = event["id"], event["source"], int(event["sequence"])
        if self.rudeness.rejects(seq):
            return {"id": id_, "status": "rejected", "problem": {"title": "期间已关闭"}}
        held = self._db.execute(
            "SELECT id FROM posted WHERE source = ? AND seq = ?", (source, seq)
        ).fetchone()
        if held is not None and held[0] != id_:
            problem = {"type": "urn:lineside:problem:fork", "detail": f"{seq} is {held[0]}"}
            return {"id": id_, "status": "rejected", "problem": problem}
        if held is not None and self.rudeness.remembers:
            return {"id": id_, "status": "duplicate"}
        order = event.get("subject", "").rpartition("/")[0] or None
        self._db.execute(
            "INSERT INTO posted (id, source, seq, work_order) VALUES (?, ?, ?, ?)", (id_, source, seq, order)
        )
        return {"id": id_, "status": "accepted", "document": None}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: Foreign

    def handle_error(self, *_: object) -> None:
        pass  # a caller that hangs up is nothing to write about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) < int(self.headers["Content-Length"]):
            self.close_connection = True  # half a call is no call
            return
        rudeness, encoding = self.server.owner.rudeness, self.headers.get("Content-Encoding", "identity")
        if encoding not in rudeness.encodings:
            self._say(415, {}, b"")
            return
        events = json.loads(_DECODED[encoding](body))
        if len(events) > rudeness.events_max:
            self._say(413, {}, b"")
            return
        self._answer(events, rudeness.drawn(), rudeness.chance)

    def _answer(self, events: list[Event], how: str, chance: random.Random) -> None:
        if how in _REFUSALS or how == "takes nothing":
            self._say(*_REFUSALS.get(how, (200, {}, b'{"results": []}')))
            return
        found: list[Any] = self.server.owner.take(events, first_half=how == "posts the first half")
        if how in _BLUNDERS:
            self._say(*_BLUNDERS[how])
            return
        if how in _SHAPES:
            found = _SHAPES[how](found, chance)
        body = json.dumps({"results": found}, ensure_ascii=how != "documents of any type").encode()
        getattr(self, f"_{how.replace(' ', '_')}" if how in _FRAMES else "_plain")(body)

    def _plain(self, body: bytes) -> None:
        self._say(200, {"content-type": "application/json"}, body)

    def _chunked(self, body: bytes) -> None:
        self._head(200, {"Transfer-Encoding": "chunked"})
        for start in range(0, len(body), 1000):
            part = body[start : start + 1000]
            self.wfile.write(f"{len(part):x};why=not\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\nX-Trailer: too late\r\n\r\n")

    def _no_length(self, body: bytes) -> None:
        self.close_connection = True
        self._head(200, {"Connection": "close"})
        self.wfile.write(body)

    def _gzipped(self, body: bytes) -> None:
        self._say(200, {"Content-Encoding": "gzip"}, gzip.compress(body))

    def _in_pieces(self, body: bytes) -> None:
        self._head(200, {"Content-Length": str(len(body))})
        for start in range(0, len(body), 1 + len(body) // 7):
            self.wfile.write(body[start : start + 1 + len(body) // 7])
            self.wfile.flush()
            time.sleep(0.001)

    def _informed_first(self, body: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        self._plain(body)

    def _white_space(self, body: bytes) -> None:
        self._plain(b" \r\n\t" * 2000 + body + b"\n" * 500)

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if "Retry-After" in headers:
            headers = {"Retry-After": formatdate(time.time() + 2, usegmt=True)}
        length = {} if status == 204 else {"Content-Length": str(len(body))}
        self._head(status, {**headers, **length})
        self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} ", *(f"{name}:{value}" for name, value in headers.items())]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())

    def log_message(self, *_: object) -> None:
        pass


def _unzstd(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(body)


_DECODED: dict[str, Callable[[bytes], bytes]] = {
    "zstd": _unzstd,
    "gzip": gzip.decompress,
    "identity": bytes,
}
