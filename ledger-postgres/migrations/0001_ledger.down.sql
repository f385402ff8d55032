-- Events are never dropped. Nobody appends any more from here on.
LOCK TABLE payledger.heads IN ACCESS EXCLUSIVE MODE;
-- A policy that is missing would hide them from the owner, too.
ALTER TABLE payledger.events NO FORCE ROW LEVEL SECURITY;
DO $$ BEGIN
    IF EXISTS (SELECT FROM payledger.events) THEN
        RAISE EXCEPTION 'the database holds events, which are never dropped' USING ERRCODE = 'PL001';
    END IF;
END $$;
DROP VIEW payledger.log;
DROP FUNCTION payledger.append_v1;
DROP TABLE payledger.checkpoints;
DROP TABLE payledger.events;
DROP TABLE payledger.requests;
DROP TABLE payledger.heads;
DROP TABLE payledger.reporting_ledgers;
DROP FUNCTION payledger.refuse_change;
DROP FUNCTION payledger.refuse_moving_back;
