-- A checkpoint whose rows are gone would stand for rows that are not there.
DELETE FROM checkpoints WHERE EXISTS (
    SELECT 1 FROM projection_rows WHERE ledger = checkpoints.ledger AND projection = checkpoints.name);
DROP TABLE projection_rows;
DROP TABLE snapshots;

PRAGMA user_version = 1;
