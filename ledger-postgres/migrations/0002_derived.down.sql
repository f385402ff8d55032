DROP FUNCTION payledger.promote_v1;
DROP FUNCTION payledger.save_projection_v1;
DROP FUNCTION payledger.is_checkpoint;
DROP FUNCTION payledger.save_snapshot_v1;
-- A checkpoint whose rows are gone would stand for rows that are not there. A policy that is missing would hide both.
ALTER TABLE payledger.checkpoints NO FORCE ROW LEVEL SECURITY;
ALTER TABLE payledger.projection_rows NO FORCE ROW LEVEL SECURITY;
DELETE FROM payledger.checkpoints AS c WHERE EXISTS (
    SELECT FROM payledger.projection_rows AS r WHERE r.ledger = c.ledger AND r.projection = c.name);
ALTER TABLE payledger.checkpoints FORCE ROW LEVEL SECURITY;
DROP TABLE payledger.projection_rows;
DROP TABLE payledger.snapshots;
