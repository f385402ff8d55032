-- What the owner $1 lacks of what the functions and migrations do as him: the privilege, on what, and who he is.
SELECT privilege,
        object,
        pg_get_userbyid($1)::text
    FROM (
        SELECT privilege, 'SCHEMA payledger' AS object
            FROM pg_catalog.pg_namespace, unnest(ARRAY['USAGE', 'CREATE']) AS privilege
            WHERE nspname = 'payledger'
                AND nspowner = $1
                AND NOT has_schema_privilege($1, oid, privilege)
        UNION ALL
        SELECT privilege, 'TABLE ' || oid::regclass
            FROM pg_catalog.pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
            WHERE relnamespace = 'payledger'::regnamespace
                AND relkind = 'r'
                AND relowner = $1
                AND NOT has_table_privilege($1, oid, privilege)
                AND (relname, privilege) NOT IN (
                    ('heads', 'DELETE'),
                    ('requests', 'UPDATE'), ('requests', 'DELETE'),
                    ('events', 'UPDATE'), ('events', 'DELETE'))
        UNION ALL
        SELECT 'EXECUTE', 'FUNCTION ' || oid::regprocedure
            FROM pg_catalog.pg_proc
            WHERE pronamespace = 'payledger'::regnamespace
                AND proowner = $1
                AND NOT has_function_privilege($1, oid, 'EXECUTE')
    ) AS lacks
    ORDER BY 1, 2
