-- What the connected role lacks: the privilege, and on what.
-- $1: the tables that it reads. $2: the functions that it calls.
SELECT 'SELECT',
        'table payledger.' || relname
    FROM pg_catalog.pg_class
    WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'payledger')
        AND relname = ANY ($1)
        AND NOT has_table_privilege(current_user, oid, 'SELECT')

UNION ALL
SELECT 'EXECUTE',
        'function payledger.' || proname
    FROM pg_catalog.pg_proc
    WHERE pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'payledger')
        AND proname = ANY ($2)
        AND NOT has_function_privilege(current_user, oid, 'EXECUTE')
ORDER BY 2
