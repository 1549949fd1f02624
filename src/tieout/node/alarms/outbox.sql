-- What a node has still to say to people, and what it has said. Times are microseconds UTC.

CREATE TABLE IF NOT EXISTS position (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    height INTEGER NOT NULL,               -- everything up to this event of the ledger is here
    event  INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS waits (          -- alarms that may grow old enough for a rule
    rule           TEXT NOT NULL,
    agreement      TEXT NOT NULL,
    originator     INTEGER NOT NULL,
    transaction_id TEXT NOT NULL,
    due_us         INTEGER NOT NULL,
    finding        BLOB NOT NULL,
    PRIMARY KEY (rule, agreement, originator, transaction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waits_by_time ON waits (due_us);

CREATE TABLE IF NOT EXISTS groups (         -- findings of one rule and cause, until they are told
    rule       TEXT NOT NULL,
    cause      TEXT NOT NULL,
    count      INTEGER NOT NULL,           -- not told yet
    findings   BLOB NOT NULL,              -- the first of them
    due_us     INTEGER NOT NULL,           -- when they are told; while count = 0: when it is forgotten
    PRIMARY KEY (rule, cause)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS groups_by_time ON groups (due_us);

CREATE TABLE IF NOT EXISTS notices (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    channel      TEXT NOT NULL,
    rule         TEXT NOT NULL,
    title        TEXT NOT NULL,
    body         BLOB NOT NULL,
    state        TEXT NOT NULL,            -- waiting, delivered, failed
    attempts     INTEGER NOT NULL DEFAULT 0,
    created_us   INTEGER NOT NULL,
    next_us      INTEGER NOT NULL,
    delivered_us INTEGER NOT NULL DEFAULT 0,
    answer       TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS notices_to_deliver ON notices (channel, next_us) WHERE state = 'waiting';

CREATE INDEX IF NOT EXISTS notices_by_state ON notices (channel, state);
CREATE INDEX IF NOT EXISTS notices_by_time ON notices (created_us);

CREATE TABLE IF NOT EXISTS attempts (
    notice  INTEGER NOT NULL REFERENCES notices (number),
    number  INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    took_us INTEGER NOT NULL,
    answer  TEXT NOT NULL,
    PRIMARY KEY (notice, number)
) STRICT, WITHOUT ROWID;
