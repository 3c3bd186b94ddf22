"""What may be forgotten, by epoch."""

from pathlib import Path

from edge.epochs import Epoch
from sync.retention import done
from sync.status import UplinkStatus

EPOCHS = [Epoch(name, Path(name), number, 10, "", "") for number, name in enumerate("abc", 1)]


def at(uplink: str, epoch: str, seq: int) -> UplinkStatus:
    return UplinkStatus(uplink, epoch, seq, "idle", "", "", 0, None, None, 0, 0, 0)


def test_the_slowest_receiver_decides() -> None:
    both = [at("erp", "c", 7), at("mes", "b", 4)]
    assert done(EPOCHS, ["erp", "mes"], both, {}) == {"a": 10, "b": 4, "c": 0}
    assert done(EPOCHS, ["erp"], both, {}) == {"a": 10, "b": 10, "c": 7}


def test_what_is_in_quarantine_is_kept() -> None:
    assert done(EPOCHS, ["erp"], [at("erp", "c", 7)], {"a": 3, "c": 5}) == {"a": 2, "b": 10, "c": 4}


def test_nobody_and_nobody_heard_of_need_everything() -> None:
    assert done(EPOCHS, [], [], {}) == done(EPOCHS, ["erp"], [], {}) == {"a": 0, "b": 0, "c": 0}


def test_the_journal_that_a_cursor_stands_in_is_not_done_with() -> None:
    """Without it the agent would not know which one follows, and begin with the oldest again."""
    assert done(EPOCHS, ["erp"], [at("erp", "b", 10)], {}) == {"a": 10, "b": 9, "c": 0}
    assert done(EPOCHS, ["erp"], [at("erp", "c", 10)], {}) == {"a": 10, "b": 10, "c": 10}
