-- What can be asked of the journal without reading it. Everything here is computed from the segments
-- and can be thrown away at any time. A height, offset, time, leaf or count is a plain number.

-- name: schema
-- Blocks by height, batches and operations by leaf and by the sender's number, episodes of breaks
-- (from TRANSACTION_BROKEN to the next other status) by transaction. `parts` says up to which block each
-- transaction of this index went, and the SHA-256 of the lines that it added.
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    log_size INTEGER NOT NULL
);
CREATE TABLE items (
    leaf INTEGER PRIMARY KEY,
    height INTEGER NOT NULL,
    item INTEGER NOT NULL,
    party INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    sequence INTEGER NOT NULL
);
CREATE INDEX items_by_sequence ON items (party, stream, sequence);
CREATE TABLE episodes (
    opened_height INTEGER NOT NULL,
    opened_event INTEGER NOT NULL,
    agreement INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    closed_height INTEGER,
    closed_event INTEGER,
    PRIMARY KEY (opened_height, opened_event)
) WITHOUT ROWID;
CREATE INDEX episodes_by_transaction ON episodes (agreement, serial);
CREATE INDEX episodes_by_end ON episodes (closed_height, closed_event);
CREATE TABLE parts (
    height INTEGER PRIMARY KEY,
    frame_hash BLOB NOT NULL,
    digest BLOB NOT NULL
);

-- name: add_block
INSERT INTO blocks VALUES (?, ?, ?, ?, ?);

-- name: add_item
INSERT INTO items VALUES (?, ?, ?, ?, ?, ?);

-- name: open_episode
INSERT INTO episodes VALUES (?, ?, ?, ?, NULL, NULL);

-- name: close_episode
-- A transaction has at most one open episode.
UPDATE episodes SET closed_height = ?, closed_event = ?
WHERE agreement = ? AND serial = ? AND closed_height IS NULL;

-- name: close_older_episode
-- It was opened before the first block that is kept here: in `opened_height` stands the block before
-- that, and a number below zero tells it from others.
INSERT INTO episodes VALUES (?, ?, ?, ?, ?, ?);

-- name: add_part
INSERT INTO parts VALUES (?, ?, ?);

-- name: last_part
SELECT height, frame_hash FROM parts ORDER BY height DESC LIMIT 1;

-- name: all_parts
SELECT height, digest FROM parts ORDER BY height;

-- name: block
SELECT segment, offset FROM blocks WHERE height = ?;

-- name: item_of_leaf
SELECT height, item FROM items WHERE leaf = ?;

-- name: items_of_sequence
SELECT leaf, height, item FROM items
WHERE party = ? AND stream = ? AND sequence = ? ORDER BY leaf;

-- name: episodes_of_transaction
SELECT opened_height, closed_height FROM episodes
WHERE agreement = ? AND serial = ? ORDER BY opened_height, opened_event;

-- name: open_episodes
SELECT agreement, serial, opened_height FROM episodes
WHERE closed_height IS NULL ORDER BY opened_height, opened_event;

-- name: blocks_between
SELECT height, segment, offset, time_us, log_size FROM blocks
WHERE height > ? AND height <= ? ORDER BY height;

-- name: items_between
SELECT leaf, height, item, party, stream, sequence FROM items
WHERE leaf >= ? AND leaf < ? ORDER BY leaf;

-- name: opened_between
SELECT opened_height, opened_event, agreement, serial FROM episodes
WHERE opened_height > ? AND opened_height <= ? ORDER BY opened_height, opened_event;

-- name: closed_between
SELECT closed_height, closed_event, agreement, serial FROM episodes
WHERE closed_height > ? AND closed_height <= ? ORDER BY closed_height, closed_event;

-- name: counts
-- (blocks, items), to be compared with the last part.
SELECT (SELECT count(*) FROM blocks), (SELECT count(*) FROM items),
       (SELECT max(closed_height) FROM episodes);
