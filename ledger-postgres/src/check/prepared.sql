-- Transactions that somebody has prepared, and that hold a lock in the schema: which, since when, the remedy.
SELECT p.gid,
        to_char(p.prepared, 'YYYY-MM-DD HH24:MI:SS "UTC"'),
        format('end it, as %I: COMMIT PREPARED %L, or ROLLBACK PREPARED %2$L', p.owner, p.gid)
    FROM pg_catalog.pg_prepared_xacts AS p
    WHERE p.database = current_database()
        AND EXISTS (
            SELECT FROM pg_catalog.pg_locks AS own
                    JOIN pg_catalog.pg_locks AS l USING (virtualtransaction)
                    JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
                WHERE own.transactionid = p.transaction
                    AND own.granted
                    AND own.pid IS NULL
                    AND l.pid IS NULL
                    -- Who has only read is in the way of migrations, for as long as he likes.
                    AND l.mode <> 'AccessShareLock'
                    AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'payledger'))
    ORDER BY 1
