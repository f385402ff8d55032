-- The schema payledger and its table of migrations are there before. Texts are compared byte by byte.

-- Where each ledger ends. Its row is locked by every append until that is committed: what orders the ledger's writers.
CREATE TABLE payledger.heads (
    ledger         text COLLATE "C" NOT NULL CHECK (ledger <> ''),
    sequence       bigint NOT NULL CHECK (sequence >= 0), -- 0 while nothing has been stored
    link           bytea  NOT NULL CHECK (octet_length(link) = 32),
    recorded_at_us bigint NOT NULL,
    PRIMARY KEY (ledger)
) WITH (fillfactor = 50);

-- What was asked, one row per request. Keys never expire.
CREATE TABLE payledger.requests (
    ledger         text COLLATE "C" NOT NULL,
    first_sequence bigint  NOT NULL CHECK (first_sequence > 0),
    size           integer NOT NULL CHECK (size BETWEEN 1 AND 1000),
    key            text COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 128),
    request_hash   bytea   NOT NULL CHECK (octet_length(request_hash) = 32),
    actor          text COLLATE "C" NOT NULL,
    recorded_at_us bigint  NOT NULL,
    link           bytea   NOT NULL CHECK (octet_length(link) = 32),
    PRIMARY KEY (ledger, first_sequence),
    UNIQUE (ledger, key)
);

-- What was decided, in the order of the log. The payload is kept as bytes: they are what the digest covers.
CREATE TABLE payledger.events (
    ledger         text COLLATE "C" NOT NULL,
    sequence       bigint  NOT NULL CHECK (sequence > 0),
    stream         text COLLATE "C" NOT NULL,
    version        bigint  NOT NULL CHECK (version > 0),
    type           text COLLATE "C" NOT NULL,
    schema_version integer NOT NULL CHECK (schema_version BETWEEN 0 AND 65535),
    position       integer NOT NULL CHECK (position BETWEEN 0 AND 999), -- its place in its request, from 0
    effective      date    NOT NULL,
    payload        bytea   NOT NULL CHECK (octet_length(payload) BETWEEN 1 AND 65536),
    digest         bytea   NOT NULL CHECK (octet_length(digest) = 32),
    PRIMARY KEY (ledger, sequence),
    UNIQUE (ledger, stream, version)
);

-- What projections have folded so far. Nothing is lost with it: it can be replayed.
CREATE TABLE payledger.checkpoints (
    ledger   text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    version  bigint NOT NULL,
    sequence bigint NOT NULL,
    link     bytea  NOT NULL CHECK (octet_length(link) = 32),
    state    bytea  NOT NULL,
    PRIMARY KEY (ledger, name)
);

-- What is stored stays. The triggers fire also where session_replication_role is replica.
CREATE FUNCTION payledger.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% of payledger.% is refused: what a ledger has stored stays as it is', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'PL001';
END $$;

CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON payledger.events
    FOR EACH STATEMENT EXECUTE FUNCTION payledger.refuse_change();
CREATE TRIGGER requests_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON payledger.requests
    FOR EACH STATEMENT EXECUTE FUNCTION payledger.refuse_change();
CREATE TRIGGER heads_stay BEFORE DELETE OR TRUNCATE ON payledger.heads
    FOR EACH STATEMENT EXECUTE FUNCTION payledger.refuse_change();

CREATE FUNCTION payledger.refuse_moving_back() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.ledger <> OLD.ledger OR NEW.sequence <= OLD.sequence OR NEW.recorded_at_us < OLD.recorded_at_us THEN
        RAISE EXCEPTION 'the head of ledger % is refused: a head never moves back', OLD.ledger USING ERRCODE = 'PL001';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER heads_move_on BEFORE UPDATE ON payledger.heads
    FOR EACH ROW EXECUTE FUNCTION payledger.refuse_moving_back();

ALTER TABLE payledger.events ENABLE ALWAYS TRIGGER events_stay;
ALTER TABLE payledger.requests ENABLE ALWAYS TRIGGER requests_stay;
ALTER TABLE payledger.heads ENABLE ALWAYS TRIGGER heads_stay;
ALTER TABLE payledger.heads ENABLE ALWAYS TRIGGER heads_move_on;

-- Appends a group of requests, each all or nothing, and answers for each in order: 0 appended, 1 already appended, 2 the key is
-- another request's, 3 a stream has moved on, 4 malformed, 5 no sequence left. A group that is appended as a whole has one answer:
-- where it begins, and its links, joined.
--
-- The requests' events and guards follow one another in the arrays; hashes and digests are joined, 32 bytes each. `settled` marks
-- the guards that need no look: they hold if the earlier requests of the group are stored, or the request itself begins the
-- stream, and the index on its versions lets only one do that. `together` says that the requests can all be stored, as far as the
-- group alone can tell.
--
-- A group is inserted without looking for its keys: the index on them tells. Where an index objects, nothing of the group stays,
-- and its requests are looked at one by one.
--
-- Each step is a statement of its own: one that has waited for a lock still sees what was there before it waited.
CREATE FUNCTION payledger.append_v1(
    name text, now_us bigint, together boolean,
    keys text[], hashes bytea, actors text[], sizes integer[], malformed boolean[],
    guard_counts integer[], guards text[], guard_versions bigint[], guard_digests bytea, settled boolean[],
    streams text[], versions bigint[], types text[], schema_versions integer[], positions integer[], effectives date[],
    payloads bytea[], digests bytea
) RETURNS TABLE (
    outcome integer, first_sequence bigint, size integer, request_hash bytea, actor text, recorded_at_us bigint, link bytea,
    stream text, version bigint, digest bytea
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, payledger, pg_temp
SET row_security = on
-- The plan is kept, and may have been made while the tables were empty: leave it nothing but the keys.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    zeros CONSTANT bytea := decode(repeat('00', 32), 'hex');
    tag CONSTANT bytea := int4send(16) || 'payledger link 1'::bytea;
    head_sequence bigint;
    head_link bytea;
    head_us bigint;
    last_sequence bigint;
    last_link bytea;
    last_us bigint;
    broken text;
    firsts bigint[] := '{}';
    links bytea[] := '{}';
    count integer := cardinality(keys);
    event_count bigint := (SELECT coalesce(sum(each), 0) FROM unnest(sizes) AS each);
    guard_at integer := 1;
    event_at integer := 1;
BEGIN
    IF (cardinality(actors), cardinality(sizes), cardinality(malformed), cardinality(guard_counts), octet_length(hashes))
            IS DISTINCT FROM (count, count, count, count, count * 32)
        OR (cardinality(guard_versions), cardinality(settled), octet_length(guard_digests)::bigint)
            IS DISTINCT FROM (cardinality(guards), cardinality(guards), cardinality(guards) * 32::bigint)
        OR (cardinality(streams), cardinality(versions), cardinality(types), cardinality(schema_versions), cardinality(positions),
            cardinality(effectives), cardinality(payloads), octet_length(digests)::bigint)
            IS DISTINCT FROM (event_count, event_count, event_count, event_count, event_count, event_count, event_count,
            event_count * 32)
    THEN
        RAISE EXCEPTION 'the arrays of a group do not fit together' USING ERRCODE = 'PL002';
    END IF;

    SELECT h.sequence, h.link, h.recorded_at_us INTO head_sequence, head_link, head_us
        FROM payledger.heads AS h WHERE h.ledger = name FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO payledger.heads VALUES (name, 0, zeros, 0) ON CONFLICT DO NOTHING;
        SELECT h.sequence, h.link, h.recorded_at_us INTO STRICT head_sequence, head_link, head_us
            FROM payledger.heads AS h WHERE h.ledger = name FOR NO KEY UPDATE;
    END IF;
    -- Nothing is built on a head that somebody has moved.
    SELECT r.first_sequence + r.size - 1, r.link, r.recorded_at_us INTO last_sequence, last_link, last_us
        FROM payledger.requests AS r WHERE r.ledger = name ORDER BY r.first_sequence DESC LIMIT 1;
    IF (head_sequence, head_link, head_us)
            IS DISTINCT FROM (coalesce(last_sequence, 0), coalesce(last_link, zeros), coalesce(last_us, 0))
        OR head_us NOT BETWEEN 0 AND 253402300799999999
    THEN
        RAISE EXCEPTION 'the head is not at the last request' USING ERRCODE = 'PL003';
    END IF;

    together := together AND NOT true = ANY (malformed) AND head_sequence <= 9223372036854775807 - event_count;
    -- One alone may well be asked again, and would leave what it cannot insert for the vacuum each time.
    together := together AND (count > 1 OR NOT EXISTS (
        SELECT FROM payledger.requests AS r WHERE r.ledger = name AND r.key = keys[1]));
    together := together AND NOT EXISTS (
        SELECT FROM unnest(guards, guard_versions, settled) WITH ORDINALITY AS g (stream, version, settled, at)
            LEFT JOIN LATERAL (
                SELECT e.version, e.digest FROM payledger.events AS e WHERE e.ledger = name AND e.stream = g.stream
                    ORDER BY e.version DESC LIMIT 1) AS tip ON true
            WHERE NOT g.settled AND (coalesce(tip.version, 0) <> g.version
                OR coalesce(tip.digest, zeros) <> substr(guard_digests, g.at::integer * 32 - 31, 32)));

    IF together THEN
        head_us := greatest(head_us, coalesce(now_us, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint));
        -- All that comes after it would be recorded no earlier.
        IF head_us > 253402300799999999 THEN
            RAISE EXCEPTION 'the clock is beyond the year 9999' USING ERRCODE = 'PL004';
        END IF;
        FOR at IN 1..count LOOP
            firsts := array_append(firsts, head_sequence + event_at);
            head_link := sha256(tag || head_link || int8send(head_sequence + event_at)
                || int8send(head_us) || int4send(sizes[at]) || substr(digests, event_at * 32 - 31, sizes[at] * 32));
            links := array_append(links, head_link);
            event_at := event_at + sizes[at];
        END LOOP;
        -- Arrays that are unnested side by side keep step. As functions in FROM each would be written out first.
        BEGIN
            INSERT INTO payledger.requests
                SELECT name, r.first, r.size, r.key, substr(hashes, r.at * 32 - 31, 32), r.actor, head_us, r.link
                    FROM (SELECT unnest(firsts), unnest(sizes), unnest(keys), unnest(actors), unnest(links),
                            generate_series(1, count)) AS r (first, size, key, actor, link, at);
            INSERT INTO payledger.events
                SELECT name, head_sequence + e.at, e.stream, e.version, e.type, e.schema_version, e.position, e.effective,
                        e.payload, substr(digests, e.at * 32 - 31, 32)
                    FROM (SELECT unnest(streams), unnest(versions), unnest(types), unnest(schema_versions), unnest(positions),
                            unnest(effectives), unnest(payloads), generate_series(1, event_count::integer))
                        AS e (stream, version, type, schema_version, position, effective, payload, at);
        EXCEPTION WHEN unique_violation THEN
            GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME;
            together := false;
            event_at := 1;
        END;
    END IF;
    IF together THEN
        UPDATE payledger.heads AS h SET sequence = head_sequence + event_count, link = head_link, recorded_at_us = head_us
            WHERE h.ledger = name;
        outcome := 0;
        first_sequence := head_sequence + 1;
        recorded_at_us := head_us;
        link := (SELECT string_agg(each, '' ORDER BY at) FROM unnest(links) WITH ORDINALITY AS l (each, at));
        RETURN NEXT;
        RETURN;
    END IF;

    IF count > 1 THEN
        -- One by one, each on what the earlier ones leave.
        FOR at IN 1..count LOOP
            RETURN QUERY SELECT * FROM payledger.append_v1(name, now_us, true,
                keys[at:at], substr(hashes, at * 32 - 31, 32), actors[at:at], sizes[at:at], malformed[at:at],
                guard_counts[at:at], guards[guard_at:guard_at + guard_counts[at] - 1],
                guard_versions[guard_at:guard_at + guard_counts[at] - 1],
                substr(guard_digests, guard_at * 32 - 31, guard_counts[at] * 32), array_fill(false, guard_counts[at:at]),
                streams[event_at:event_at + sizes[at] - 1], versions[event_at:event_at + sizes[at] - 1],
                types[event_at:event_at + sizes[at] - 1], schema_versions[event_at:event_at + sizes[at] - 1],
                positions[event_at:event_at + sizes[at] - 1], effectives[event_at:event_at + sizes[at] - 1],
                payloads[event_at:event_at + sizes[at] - 1], substr(digests, event_at * 32 - 31, sizes[at] * 32));
            guard_at := guard_at + guard_counts[at];
            event_at := event_at + sizes[at];
        END LOOP;
        RETURN;
    END IF;

    -- One request, which cannot be stored: why.
    RETURN QUERY
        SELECT CASE WHEN r.request_hash = hashes THEN 1 ELSE 2 END, r.first_sequence, r.size, r.request_hash, r.actor,
                r.recorded_at_us, r.link, NULL::text, NULL::bigint, NULL::bytea
            FROM payledger.requests AS r WHERE r.ledger = name AND r.key = keys[1];
    IF FOUND THEN
        RETURN;
    END IF;
    IF malformed[1] OR head_sequence > 9223372036854775807 - event_count THEN
        outcome := CASE WHEN malformed[1] THEN 4 ELSE 5 END;
        RETURN NEXT;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT 3, NULL::bigint, NULL::integer, NULL::bytea, NULL::text, NULL::bigint, NULL::bytea, g.stream,
                coalesce(tip.version, 0), coalesce(tip.digest, zeros)
            FROM unnest(guards, guard_versions) WITH ORDINALITY AS g (stream, version, at)
                LEFT JOIN LATERAL (
                    SELECT e.version, e.digest FROM payledger.events AS e WHERE e.ledger = name AND e.stream = g.stream
                        ORDER BY e.version DESC LIMIT 1) AS tip ON true
            WHERE coalesce(tip.version, 0) <> g.version
                OR coalesce(tip.digest, zeros) <> substr(guard_digests, g.at::integer * 32 - 31, 32)
            ORDER BY g.at LIMIT 1;
    IF NOT FOUND AND broken IS NOT NULL THEN
        RAISE unique_violation USING MESSAGE = 'what is stored contradicts itself', CONSTRAINT = broken;
    END IF;
END $$;

-- Which ledgers a reporting role sees. The owner fills it: a role that could say so itself would not be limited.
CREATE TABLE payledger.reporting_ledgers (
    ledger text COLLATE "C" NOT NULL CHECK (ledger <> ''),
    role   text COLLATE "C" NOT NULL,
    PRIMARY KEY (ledger, role)
);

-- Who reads the tables sees the ledgers that are listed for him. The policies by which the owner and the application see the
-- whole come after the last step of a migration, with who may call the functions. Owners would need none, unless forced.
ALTER TABLE payledger.reporting_ledgers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY listed ON payledger.reporting_ledgers FOR SELECT USING (role = CURRENT_USER::text);
ALTER TABLE payledger.heads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY listed ON payledger.heads FOR SELECT USING (ledger = ANY (ARRAY(
    SELECT r.ledger FROM payledger.reporting_ledgers AS r WHERE r.role = CURRENT_USER::text)));
ALTER TABLE payledger.requests ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY listed ON payledger.requests FOR SELECT USING (ledger = ANY (ARRAY(
    SELECT r.ledger FROM payledger.reporting_ledgers AS r WHERE r.role = CURRENT_USER::text)));
ALTER TABLE payledger.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY listed ON payledger.events FOR SELECT USING (ledger = ANY (ARRAY(
    SELECT r.ledger FROM payledger.reporting_ledgers AS r WHERE r.role = CURRENT_USER::text)));
ALTER TABLE payledger.checkpoints ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY listed ON payledger.checkpoints FOR SELECT USING (ledger = ANY (ARRAY(
    SELECT r.ledger FROM payledger.reporting_ledgers AS r WHERE r.role = CURRENT_USER::text)));

-- The log for people. It looks at the tables as its reader, not as its owner.
CREATE VIEW payledger.log WITH (security_invoker = true) AS
    SELECT e.ledger, e.sequence, timestamptz 'epoch' + r.recorded_at_us * interval '1 microsecond' AS recorded_at, r.key, r.actor,
            e.stream, e.version, e.type, e.schema_version, e.effective, convert_from(e.payload, 'UTF8')::json AS payload,
            encode(e.digest, 'hex') AS digest, encode(r.link, 'hex') AS link
        FROM payledger.events AS e
            JOIN payledger.requests AS r ON r.ledger = e.ledger AND r.first_sequence = e.sequence - e.position;
