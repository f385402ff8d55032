-- Policies that are not for whom they should be: which, for whom it is, for whom it should be, the remedy.
-- $1: who owns the tables. $2: who was granted to append.
SELECT format('%I on %s', polname, polrelid::regclass),
        found,
        names.wanted,
        format('ALTER POLICY %I ON %s TO %s', polname, polrelid::regclass, names.wanted)
    FROM pg_catalog.pg_policy
        JOIN pg_catalog.pg_class AS c ON c.oid = polrelid
        CROSS JOIN LATERAL (
            SELECT CASE
                    WHEN polname = 'listed' THEN ARRAY[0::oid]
                    WHEN relname = 'reporting_ledgers' THEN ARRAY[$1]
                    ELSE $1 || $2
                END AS wanted
        ) AS w
        CROSS JOIN LATERAL (
            SELECT string_agg(name, ', ' ORDER BY name) FILTER (WHERE role = ANY (polroles)) AS found,
                    string_agg(name, ', ' ORDER BY name) FILTER (WHERE role = ANY (w.wanted)) AS wanted
                FROM (
                    SELECT DISTINCT role, CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END AS name
                        FROM unnest(polroles || w.wanted) AS role
                ) AS roles
        ) AS names
    WHERE relnamespace = 'payledger'::regnamespace
        AND polname IN ('whole', 'listed')
        AND found <> names.wanted
    ORDER BY 1
