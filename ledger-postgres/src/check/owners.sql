-- What does not belong to the owner $1: its kind, what it is, whose it is, and whose it should be.
SELECT kind,
        object,
        pg_get_userbyid(owner)::text,
        pg_get_userbyid($1)::text
    FROM (
        SELECT 'SCHEMA' AS kind, 'payledger' AS object, nspowner AS owner
            FROM pg_catalog.pg_namespace
            WHERE nspname = 'payledger'
        UNION ALL
        SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass::text, relowner
            FROM pg_catalog.pg_class
            WHERE relnamespace = 'payledger'::regnamespace
                AND relkind IN ('r', 'p', 'v')
        UNION ALL
        SELECT 'FUNCTION', oid::regprocedure::text, proowner
            FROM pg_catalog.pg_proc
            WHERE pronamespace = 'payledger'::regnamespace
    ) AS o
    WHERE owner <> $1
    ORDER BY 1, 2
