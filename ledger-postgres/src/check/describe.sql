-- The objects of the schema, each with how it is defined.
WITH ours AS (
    SELECT c.*,
            CASE relkind
                WHEN 'v' THEN 'view'
                WHEN 'm' THEN 'materialized view'
                WHEN 'S' THEN 'sequence'
                WHEN 'f' THEN 'foreign table'
                WHEN 'c' THEN 'type'
                ELSE 'table'
            END || ' ' AS kind,
            'payledger.' || quote_ident(relname) AS name
        FROM pg_catalog.pg_class AS c
        WHERE relnamespace = 'payledger'::regnamespace
            AND relkind NOT IN ('i', 'I', 't')
)
SELECT kind || name,
        concat_ws(', ',
            CASE relpersistence WHEN 'p' THEN 'kept' ELSE 'not kept through a crash' END,
            CASE
                WHEN relrowsecurity AND relforcerowsecurity THEN 'row security forced'
                WHEN relrowsecurity THEN 'row security'
            END,
            (SELECT string_agg(option, ', ')
                FROM unnest(reloptions) AS option
                WHERE option !~ 'vacuum|toast|parallel'),
            (SELECT string_agg(
                    concat_ws(' ',
                        quote_ident(attname),
                        format_type(atttypid, atttypmod),
                        CASE WHEN attcollation NOT IN (0, 'default'::regcollation) THEN attcollation::regcollation END,
                        CASE WHEN attnotnull THEN 'not null' END,
                        pg_get_expr(adbin, adrelid)),
                    ', ' ORDER BY attnum)
                FROM pg_catalog.pg_attribute AS a
                    LEFT JOIN pg_catalog.pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
                WHERE attrelid = ours.oid
                    AND attnum > 0
                    AND NOT attisdropped),
            CASE WHEN relkind = 'v' THEN pg_get_viewdef(ours.oid) END)
    FROM ours

UNION ALL
SELECT 'constraint ' || quote_ident(conname) || ' on ' || name,
        concat_ws(' ',
            pg_get_constraintdef(o.oid),
            CASE WHEN NOT convalidated THEN 'not validated' END)
    FROM pg_catalog.pg_constraint AS o
        JOIN ours ON ours.oid = conrelid
    WHERE contype <> 'n'

UNION ALL
SELECT 'index ' || indexrelid::regclass,
        concat_ws(' ',
            pg_get_indexdef(indexrelid),
            CASE WHEN NOT (indisvalid AND indisready) THEN 'not valid' END)
    FROM pg_catalog.pg_index
        JOIN ours ON ours.oid = indrelid

UNION ALL
SELECT 'trigger ' || quote_ident(tgname) || ' on ' || name,
        concat_ws(' ',
            CASE tgenabled WHEN 'A' THEN 'always' WHEN 'D' THEN 'disabled' ELSE 'not always' END,
            pg_get_triggerdef(t.oid))
    FROM pg_catalog.pg_trigger AS t
        JOIN ours ON ours.oid = tgrelid
    WHERE NOT tgisinternal

UNION ALL
SELECT 'rule ' || quote_ident(rulename) || ' on ' || name,
        pg_get_ruledef(w.oid)
    FROM pg_catalog.pg_rewrite AS w
        JOIN ours ON ours.oid = ev_class
    WHERE rulename <> '_RETURN'

-- Whom they are for is said apart: it is the operator's.
UNION ALL
SELECT 'policy ' || quote_ident(polname) || ' on ' || name,
        concat_ws(' ',
            CASE WHEN NOT polpermissive THEN 'restrictive' END,
            polcmd,
            pg_get_expr(polqual, polrelid),
            pg_get_expr(polwithcheck, polrelid))
    FROM pg_catalog.pg_policy
        JOIN ours ON ours.oid = polrelid

UNION ALL
SELECT 'function ' || p.oid::regprocedure,
        concat_ws(', ',
            lanname,
            provolatile,
            CASE WHEN prosecdef THEN 'as its owner' END,
            CASE WHEN proisstrict THEN 'strict' END,
            CASE WHEN proleakproof THEN 'leakproof' END,
            CASE WHEN proparallel <> 'u' THEN 'parallel' END,
            CASE WHEN prosqlbody IS NOT NULL THEN 'another body' END,
            array_to_string(proargnames, ' '),
            array_to_string(proconfig, ', '),
            pg_get_function_result(p.oid),
            encode(sha256(convert_to(prosrc, 'UTF8')), 'hex'))
    FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_language AS l ON l.oid = prolang
    WHERE pronamespace = 'payledger'::regnamespace

-- Whatever else there is, of which the migrations make nothing.
UNION ALL
SELECT replace(o.type, ' object', '') || ' ' || o.identity,
        ''
    FROM pg_catalog.pg_depend
        CROSS JOIN LATERAL pg_identify_object(classid, objid, 0) AS o
    WHERE refclassid = 'pg_namespace'::regclass
        AND refobjid = 'payledger'::regnamespace
        AND classid::regclass::text NOT IN ('pg_class', 'pg_proc', 'pg_default_acl', 'pg_publication_namespace')
