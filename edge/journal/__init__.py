"""The journal: the append-only log of events in journal.db, written by one process and read by others."""

from edge.journal.check import Verification, replay, verify
from edge.journal.form import DATED, FORM, Log, Snapshot
from edge.journal.reader import Reader
from edge.journal.writer import Beginning, Journal, place

__all__ = [
    "DATED",
    "FORM",
    "Beginning",
    "Journal",
    "Log",
    "Reader",
    "Snapshot",
    "Verification",
    "place",
    "replay",
    "verify",
]
