"""The master data that this endpoint offers: one JSON file, read again when it changes.

A file that does not fit the contract is not taken: what was read before stays in use.
"""

import hashlib
import logging
from pathlib import Path
from typing import NamedTuple

from edge.faults import MasterDataInvalid
from edge.masterdata import MasterData, parse

_log = logging.getLogger(__name__)


class Offer(NamedTuple):
    """A document as sent, and as this endpoint itself uses it."""

    body: bytes
    etag: str
    masterdata: MasterData


class MasterFile:
    """The file and its present content. Raises MasterDataInvalid or OSError where the first read fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._stamp()
        self._offer = self._read()

    def current(self) -> Offer:
        """What is offered now."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._offer = self._read()
        except (OSError, MasterDataInvalid) as error:
            _log.warning("master data stays as it was: %s", error)
        return self._offer

    def _stamp(self) -> tuple[int, int]:
        held = self._path.stat()
        return held.st_mtime_ns, held.st_size

    def _read(self) -> Offer:
        body = self._path.read_bytes()
        etag = hashlib.sha256(body).hexdigest()[:16]
        return Offer(body, etag, MasterData(parse(body), etag))
