"""The tables of sync.db; written by the sync process alone, read by the others."""

from edge import alerts
from edge.schema import Schema

_WEBHOOKS = """
CREATE TABLE webhooks (
    webhook TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL           -- what was over before is none of its business
) STRICT;
CREATE TABLE notices (                  -- what a webhook took
    webhook TEXT NOT NULL,
    key TEXT NOT NULL,                  -- of the alert, like the next
    raised_ms INTEGER NOT NULL,
    what TEXT NOT NULL,                 -- raised, cleared
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (webhook, key, raised_ms, what)
) STRICT;
"""
_RECONCILED = """
ALTER TABLE certificates ADD COLUMN occasion TEXT NOT NULL DEFAULT '';  -- a shift, a day, asked
ALTER TABLE certificates ADD COLUMN findings TEXT;  -- JSON: what was found beside the figures
CREATE INDEX certificates_range ON certificates (uplink, epoch, to_seq);
CREATE TABLE reconciled (
    uplink TEXT PRIMARY KEY,
    due_ms INTEGER NOT NULL             -- the last end of a shift or day through which it was compared
) STRICT;
"""
_WEIGHED = """
ALTER TABLE certificates ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;  -- of the texts
UPDATE certificates SET bytes = length(CAST(report AS BLOB)) + length(CAST(answer AS BLOB))
    + ifnull(length(CAST(findings AS BLOB)), 0);
CREATE INDEX certificates_weight ON certificates (occasion, id, bytes);
"""
_ORDERED = """
ALTER TABLE quarantine ADD COLUMN behind INTEGER;  -- of posted: through which seq all was settled before
"""
_FORKED = """
CREATE TABLE forks (                    -- from where on a receiver holds other facts under an epoch's numbers
    uplink TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    detail TEXT NOT NULL,               -- the receiver's own word
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (uplink, epoch)
) STRICT;
"""
_DECIDED = """
ALTER TABLE quarantine ADD COLUMN decision TEXT;  -- of discarded: JSON of who, why and when
"""
TABLES = Schema(
    f"""
CREATE TABLE uplinks (
    uplink TEXT PRIMARY KEY,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,               -- the cursor: everything through it is settled
    reviewed INTEGER NOT NULL,          -- decisions of people through it are carried out
    state TEXT NOT NULL,                -- shipping, idle, backoff, paused, halted, removed
    detail TEXT NOT NULL,
    hint TEXT NOT NULL,
    since_ms INTEGER NOT NULL,          -- of the state
    last_success_ms INTEGER,
    next_try_ms INTEGER
) STRICT;
CREATE TABLE quarantine (
    uplink TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    subject TEXT,
    work_order TEXT,
    body TEXT NOT NULL,                 -- the event as it goes out: its journal may be set aside by then
    problem TEXT NOT NULL,              -- RFC 9457; empty where held
    state TEXT NOT NULL,                -- waiting, held, retrying, settled
    how TEXT,                           -- of settled: posted, discarded
    at_ms INTEGER NOT NULL,             -- of the state
    PRIMARY KEY (uplink, epoch, seq)
) STRICT;
CREATE INDEX quarantine_open ON quarantine (uplink, work_order, state) WHERE state <> 'settled';
CREATE INDEX quarantine_ids ON quarantine (id);
CREATE TABLE receipts (
    id INTEGER PRIMARY KEY,
    uplink TEXT NOT NULL,
    epoch TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    events INTEGER NOT NULL,            -- how many of the range the receiver holds by this call
    at_ms INTEGER NOT NULL,
    documents TEXT,                     -- JSON of seq: document, where given
    posting_dates TEXT                  -- JSON of one date for all, or of seq: date
) STRICT;
CREATE INDEX receipts_range ON receipts (uplink, epoch, last_seq);
CREATE TABLE certificates (
    id INTEGER PRIMARY KEY,
    uplink TEXT NOT NULL,
    epoch TEXT NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    match INTEGER NOT NULL,
    report TEXT NOT NULL,               -- ours, as sent
    answer TEXT NOT NULL                -- the receiver's
) STRICT;
{alerts.TABLE}
""",
    steps=(_WEBHOOKS, _RECONCILED, _WEIGHED, _ORDERED, _FORKED, _DECIDED),
)
