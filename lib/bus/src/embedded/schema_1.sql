-- The embedded log, version 1. Never edited, only followed by further versions.

CREATE TABLE topics (
    name            TEXT PRIMARY KEY,
    retention_us    INTEGER NOT NULL,
    retention_bytes INTEGER NOT NULL
) WITHOUT ROWID;

-- `next` is the next offset to be given; it is kept, since the messages from which it could be derived go.
CREATE TABLE partitions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    topic        TEXT NOT NULL,
    number       INTEGER NOT NULL,
    first        INTEGER NOT NULL DEFAULT 0,
    next         INTEGER NOT NULL DEFAULT 0,
    bytes        INTEGER NOT NULL DEFAULT 0,
    timestamp_us INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, number)
);

-- `row` is the partition's id, shifted left by 40 bits, and the offset.
CREATE TABLE log (
    row          INTEGER PRIMARY KEY,
    timestamp_us INTEGER NOT NULL,
    key          BLOB NOT NULL,
    headers      BLOB NOT NULL,
    value        BLOB NOT NULL
);

-- `generation` grows with every change of who owns what.
CREATE TABLE groups (
    name       TEXT PRIMARY KEY,
    generation INTEGER NOT NULL
) WITHOUT ROWID;

-- A process with members; as long as it lives, its `beat` changes.
CREATE TABLE owners (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    beat INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE members (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      INTEGER NOT NULL,
    group_name TEXT NOT NULL
);

CREATE TABLE subscriptions (
    member INTEGER NOT NULL,
    topic  TEXT NOT NULL,
    PRIMARY KEY (member, topic)
) WITHOUT ROWID;

-- `generation` is that of the group when this member was given the partition.
CREATE TABLE leases (
    group_name TEXT NOT NULL,
    partition  INTEGER NOT NULL,
    member     INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (group_name, partition)
) WITHOUT ROWID;

CREATE TABLE positions (
    group_name TEXT NOT NULL,
    partition  INTEGER NOT NULL,
    next       INTEGER NOT NULL,
    note       TEXT NOT NULL,
    PRIMARY KEY (group_name, partition)
) WITHOUT ROWID;
