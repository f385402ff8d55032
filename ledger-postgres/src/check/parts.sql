-- Who owns the most, who was granted to append, who is connected, whether he may use the schema, and whether he reports.
-- $1: the functions that an application calls.
SELECT o.owner,
        ARRAY(
            SELECT DISTINCT g.grantee
                FROM pg_catalog.pg_proc AS p, aclexplode(p.proacl) AS g
                WHERE p.pronamespace = n.oid
                    AND p.proname = 'append_v1'
                    AND g.grantee NOT IN (0, o.owner)),
        current_user::text,
        has_schema_privilege(n.oid, 'USAGE'),
        coalesce(
            (SELECT has_table_privilege(c.oid, 'SELECT')
                FROM pg_catalog.pg_class AS c
                WHERE c.relnamespace = n.oid
                    AND c.relname = 'reporting_ledgers')
            AND NOT (
                SELECT bool_or(has_function_privilege(p.oid, 'EXECUTE'))
                    FROM pg_catalog.pg_proc AS p
                    WHERE p.pronamespace = n.oid
                        AND p.proname = ANY ($1)),
            false)
    FROM pg_catalog.pg_namespace AS n
        CROSS JOIN LATERAL (
            SELECT mode() WITHIN GROUP (ORDER BY owner) AS owner
                FROM (
                    SELECT n.nspowner AS owner
                    UNION ALL
                    SELECT relowner FROM pg_catalog.pg_class WHERE relnamespace = n.oid
                    UNION ALL
                    SELECT proowner FROM pg_catalog.pg_proc WHERE pronamespace = n.oid
                ) AS owners
        ) AS o
    WHERE n.nspname = 'payledger'
