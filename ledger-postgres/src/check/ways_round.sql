-- What goes round the triggers and policies of a table: the table, the problem, the remedy.
SELECT 'table ' || t.oid::regclass,
        CASE
            WHEN t.oid = inhrelid
            THEN format('its rows are read and changed through %s, without its triggers and policies', inhparent::regclass)
            ELSE format('the rows of %s are read as if they were its own', inhrelid::regclass)
        END,
        CASE
            WHEN child.relispartition
            THEN format('ALTER TABLE %s DETACH PARTITION %s', inhparent::regclass, inhrelid::regclass)
            ELSE format('ALTER TABLE %s NO INHERIT %s', inhrelid::regclass, inhparent::regclass)
        END
    FROM pg_catalog.pg_inherits
        JOIN pg_catalog.pg_class AS child ON child.oid = inhrelid
        JOIN pg_catalog.pg_class AS t ON t.oid IN (inhrelid, inhparent)
    WHERE t.relnamespace = 'payledger'::regnamespace
        AND t.relkind NOT IN ('i', 'I')

UNION ALL
SELECT 'table ' || c.oid::regclass,
        format('subscription %I changes its rows as another server says, without its triggers', subname),
        format('DROP SUBSCRIPTION %I', subname)
    FROM pg_catalog.pg_subscription AS s
        JOIN pg_catalog.pg_subscription_rel ON srsubid = s.oid
        JOIN pg_catalog.pg_class AS c ON c.oid = srrelid
    WHERE relnamespace = 'payledger'::regnamespace
ORDER BY 1, 2
