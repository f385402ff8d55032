-- What is derived from the log. It may be changed and deleted: whatever is lost is made again.

-- Long streams, folded up to a version.
CREATE TABLE payledger.snapshots (
    ledger         text COLLATE "C" NOT NULL,
    stream         text COLLATE "C" NOT NULL,
    version        bigint NOT NULL,
    digest         bytea  NOT NULL CHECK (octet_length(digest) = 32),
    first_sequence bigint NOT NULL,
    link           bytea  NOT NULL CHECK (octet_length(link) = 32),
    form           bigint NOT NULL,
    state          bytea  NOT NULL,
    checksum       bytea  NOT NULL CHECK (octet_length(checksum) = 32),
    PRIMARY KEY (ledger, stream)
);

-- The rows of read models. Where they stand in the log is the checkpoint of the same name.
CREATE TABLE payledger.projection_rows (
    ledger     text COLLATE "C" NOT NULL,
    projection text COLLATE "C" NOT NULL,
    key        text COLLATE "C" NOT NULL,
    sequence   bigint NOT NULL, -- of the last event that changed it
    value      text   NOT NULL,
    PRIMARY KEY (ledger, projection, key)
);

-- Keeps a snapshot in place of the one that was kept of its stream.
CREATE FUNCTION payledger.save_snapshot_v1(
    of_ledger text, of_stream text, new_version bigint, new_digest bytea, new_first_sequence bigint, new_link bytea,
    new_form bigint, new_state bytea, new_checksum bytea
) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, payledger, pg_temp
SET row_security = on
AS $$
    INSERT INTO payledger.snapshots
        VALUES (of_ledger, of_stream, new_version, new_digest, new_first_sequence, new_link, new_form, new_state, new_checksum)
        ON CONFLICT (ledger, stream) DO UPDATE SET version = excluded.version, digest = excluded.digest,
            first_sequence = excluded.first_sequence, link = excluded.link, form = excluded.form, state = excluded.state,
            checksum = excluded.checksum
$$;

-- Whether a checkpoint is kept and is the expected one in every field, or none is kept where none is expected. What is kept
-- stays as it is until the transaction ends.
CREATE FUNCTION payledger.is_checkpoint(
    of_ledger text, of_name text, old_version bigint, old_sequence bigint, old_link bytea, old_state bytea
) RETURNS boolean LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, payledger, pg_temp AS $$
DECLARE
    kept payledger.checkpoints;
BEGIN
    SELECT * INTO kept FROM payledger.checkpoints AS c WHERE c.ledger = of_ledger AND c.name = of_name FOR UPDATE;
    RETURN (kept.version, kept.sequence, kept.link, kept.state)
        IS NOT DISTINCT FROM (old_version, old_sequence, old_link, old_state);
END $$;

-- Moves a projection on, if its checkpoint is the expected one; NULLs expect none.
CREATE FUNCTION payledger.save_projection_v1(
    of_ledger text, of_name text, old_version bigint, old_sequence bigint, old_link bytea, old_state bytea,
    new_version bigint, new_sequence bigint, new_link bytea, new_state bytea,
    clear boolean, gone text[], keys text[], sequences bigint[], vals text[]
) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, payledger, pg_temp
SET row_security = on
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
    IF NOT payledger.is_checkpoint(of_ledger, of_name, old_version, old_sequence, old_link, old_state) THEN
        RETURN false;
    END IF;
    IF old_version IS NULL THEN
        -- Of two that begin a projection at once, the second waits here and inserts nothing.
        INSERT INTO payledger.checkpoints VALUES (of_ledger, of_name, new_version, new_sequence, new_link, new_state)
            ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    ELSE
        UPDATE payledger.checkpoints AS c
            SET version = new_version, sequence = new_sequence, link = new_link, state = new_state
            WHERE c.ledger = of_ledger AND c.name = of_name;
    END IF;
    IF clear THEN
        DELETE FROM payledger.projection_rows AS r WHERE r.ledger = of_ledger AND r.projection = of_name;
    ELSIF cardinality(gone) > 0 THEN
        DELETE FROM payledger.projection_rows AS r
            WHERE r.ledger = of_ledger AND r.projection = of_name AND r.key = ANY (gone);
    END IF;
    INSERT INTO payledger.projection_rows
        SELECT of_ledger, of_name, put.key, put.sequence, put.value
            FROM unnest(keys, sequences, vals) AS put (key, sequence, value)
        ON CONFLICT (ledger, projection, key) DO UPDATE SET sequence = excluded.sequence, value = excluded.value;
    RETURN true;
END $$;

-- Puts one projection in place of another, if both checkpoints are the expected ones; NULLs expect none.
CREATE FUNCTION payledger.promote_v1(
    of_ledger text, from_name text, from_version bigint, from_sequence bigint, from_link bytea, from_state bytea,
    to_name text, over_version bigint, over_sequence bigint, over_link bytea, over_state bytea
) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, payledger, pg_temp
SET row_security = on
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
    -- Two promotions that cross take the rows in the same order.
    PERFORM FROM payledger.checkpoints AS c
        WHERE c.ledger = of_ledger AND c.name IN (from_name, to_name) ORDER BY c.name FOR UPDATE;
    IF from_version IS NULL
        OR NOT payledger.is_checkpoint(of_ledger, from_name, from_version, from_sequence, from_link, from_state)
        OR NOT payledger.is_checkpoint(of_ledger, to_name, over_version, over_sequence, over_link, over_state)
    THEN
        RETURN false;
    END IF;
    IF from_name = to_name THEN
        RETURN true;
    END IF;
    IF over_version IS NULL THEN
        INSERT INTO payledger.checkpoints VALUES (of_ledger, to_name, from_version, from_sequence, from_link, from_state)
            ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    ELSE
        UPDATE payledger.checkpoints AS c
            SET version = from_version, sequence = from_sequence, link = from_link, state = from_state
            WHERE c.ledger = of_ledger AND c.name = to_name;
    END IF;
    DELETE FROM payledger.checkpoints AS c WHERE c.ledger = of_ledger AND c.name = from_name;
    DELETE FROM payledger.projection_rows AS r WHERE r.ledger = of_ledger AND r.projection = to_name;
    UPDATE payledger.projection_rows AS r SET projection = to_name
        WHERE r.ledger = of_ledger AND r.projection = from_name;
    RETURN true;
END $$;

ALTER TABLE payledger.snapshots ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY listed ON payledger.snapshots FOR SELECT USING (ledger = ANY (ARRAY(
    SELECT r.ledger FROM payledger.reporting_ledgers AS r WHERE r.role = CURRENT_USER::text)));
ALTER TABLE payledger.projection_rows ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY listed ON payledger.projection_rows FOR SELECT USING (ledger = ANY (ARRAY(
    SELECT r.ledger FROM payledger.reporting_ledgers AS r WHERE r.role = CURRENT_USER::text)));
