PRAGMA user_version = 2;

-- What is derived from the log. It may be changed and deleted: whatever is lost is made again.

-- Long streams, folded up to a version.
CREATE TABLE snapshots (
    ledger         TEXT    NOT NULL,
    stream         TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    digest         BLOB    NOT NULL CHECK (length(digest) = 32),
    first_sequence INTEGER NOT NULL,
    link           BLOB    NOT NULL CHECK (length(link) = 32),
    form           INTEGER NOT NULL,
    state          BLOB    NOT NULL,
    checksum       BLOB    NOT NULL CHECK (length(checksum) = 32),
    PRIMARY KEY (ledger, stream)
) STRICT;

-- The rows of read models. Where they stand in the log is the checkpoint of the same name.
CREATE TABLE projection_rows (
    ledger     TEXT    NOT NULL,
    projection TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    sequence   INTEGER NOT NULL, -- of the last event that changed it
    value      TEXT    NOT NULL,
    PRIMARY KEY (ledger, projection, key)
) STRICT, WITHOUT ROWID;
