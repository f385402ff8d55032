PRAGMA application_id = 1346459980; -- 'PAYL'
PRAGMA user_version = 1;

-- Where each ledger ends. Its row is read and moved within every append.
CREATE TABLE heads (
    ledger         TEXT    NOT NULL PRIMARY KEY,
    sequence       INTEGER NOT NULL CHECK (sequence > 0),
    link           BLOB    NOT NULL CHECK (length(link) = 32),
    recorded_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was asked, one row per request. Keys never expire.
CREATE TABLE requests (
    ledger         TEXT    NOT NULL,
    first_sequence INTEGER NOT NULL CHECK (first_sequence > 0),
    size           INTEGER NOT NULL CHECK (size > 0),
    key            TEXT    NOT NULL,
    request_hash   BLOB    NOT NULL CHECK (length(request_hash) = 32),
    actor          TEXT    NOT NULL,
    recorded_at_us INTEGER NOT NULL,
    link           BLOB    NOT NULL CHECK (length(link) = 32),
    PRIMARY KEY (ledger, first_sequence),
    UNIQUE (ledger, key)
) STRICT, WITHOUT ROWID;

-- What was decided, in the order of the log. The payload is kept as bytes: they are what the digest covers.
CREATE TABLE events (
    ledger         TEXT    NOT NULL,
    sequence       INTEGER NOT NULL CHECK (sequence > 0),
    stream         TEXT    NOT NULL,
    version        INTEGER NOT NULL CHECK (version > 0),
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    position       INTEGER NOT NULL, -- its place in its request, from 0
    effective      TEXT    NOT NULL, -- a date, as 2026-02-28
    payload        BLOB    NOT NULL,
    digest         BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (ledger, sequence),
    UNIQUE (ledger, stream, version)
) STRICT, WITHOUT ROWID;

-- What projections have folded so far. Nothing is lost with it: it can be replayed.
CREATE TABLE checkpoints (
    ledger   TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    link     BLOB    NOT NULL CHECK (length(link) = 32),
    state    BLOB    NOT NULL,
    PRIMARY KEY (ledger, name)
) STRICT;

-- What is stored stays. REPLACE fires the triggers on DELETE only where recursive_triggers is on, which every connection of
-- this library sets; the triggers on INSERT stop it on any other connection too.
CREATE TRIGGER events_stay_unchanged BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;

CREATE TRIGGER events_stay BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;

CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE ledger = NEW.ledger AND sequence = NEW.sequence)
    OR EXISTS (SELECT 1 FROM events WHERE ledger = NEW.ledger AND stream = NEW.stream AND version = NEW.version)
BEGIN SELECT RAISE(ABORT, 'events are never replaced'); END;

CREATE TRIGGER requests_stay_unchanged BEFORE UPDATE ON requests
BEGIN SELECT RAISE(ABORT, 'requests are never changed'); END;

CREATE TRIGGER requests_stay BEFORE DELETE ON requests
BEGIN SELECT RAISE(ABORT, 'requests are never deleted'); END;

CREATE TRIGGER requests_are_not_replaced BEFORE INSERT ON requests
WHEN EXISTS (SELECT 1 FROM requests WHERE ledger = NEW.ledger AND first_sequence = NEW.first_sequence)
    OR EXISTS (SELECT 1 FROM requests WHERE ledger = NEW.ledger AND key = NEW.key)
BEGIN SELECT RAISE(ABORT, 'requests are never replaced'); END;

CREATE TRIGGER heads_move_on BEFORE UPDATE ON heads
WHEN NEW.ledger IS NOT OLD.ledger OR NEW.sequence <= OLD.sequence OR NEW.recorded_at_us < OLD.recorded_at_us
BEGIN SELECT RAISE(ABORT, 'a head never moves back'); END;

CREATE TRIGGER heads_stay BEFORE DELETE ON heads
BEGIN SELECT RAISE(ABORT, 'a head is never deleted'); END;
