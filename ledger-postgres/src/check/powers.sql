-- What a role x could do, by itself or as another role r, whatever was granted: the role, the other, what, the remedy.
-- $1: who owns the tables. $2: who was granted to append. $3: whether of all who use the schema, or of who is connected.
SELECT x.rolname::text,
        r.rolname::text,
        p.power,
        coalesce(
            'REVOKE ' || (
                SELECT string_agg(DISTINCT quote_ident(pg_get_userbyid(m.roleid)), ', ')
                    FROM pg_catalog.pg_auth_members AS m
                    WHERE m.member = x.oid
                        AND r.oid <> x.oid
                        AND pg_has_role(m.roleid, r.oid, 'MEMBER')
            ) || ' FROM ' || quote_ident(x.rolname),
            p.remedy)
    FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_database AS d ON d.datname = current_database()
        CROSS JOIN pg_catalog.pg_roles AS x
        JOIN pg_catalog.pg_roles AS r ON r.oid = x.oid OR NOT x.rolsuper AND pg_has_role(x.oid, r.oid, 'MEMBER')
        CROSS JOIN LATERAL (VALUES
            (true, true,
                'is a superuser, and so can change what is stored', NULL),
            (false, r.oid = $1,
                'owns the tables, and so can change what is stored', NULL),
            (false, r.oid = d.datdba AND r.oid <> $1,
                'owns the database, and so can drop it',
                format('ALTER DATABASE %I OWNER TO %I', d.datname, pg_get_userbyid($1))),
            -- Before version 16, who may make roles may make himself a member of any other, but of superusers.
            (false, r.rolcreaterole AND current_setting('server_version_num')::integer < 160000,
                'has CREATEROLE, and so can make itself the owner',
                format('ALTER ROLE %I NOCREATEROLE', r.rolname)),
            (false, r.rolbypassrls,
                'has BYPASSRLS, and so reads every ledger',
                format('ALTER ROLE %I NOBYPASSRLS', r.rolname)),
            (false, r.rolreplication,
                'has REPLICATION, and so reads every ledger',
                format('ALTER ROLE %I NOREPLICATION', r.rolname)),
            (false, r.rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program'),
                'writes whatever was granted', NULL),
            (false, r.rolname = 'pg_read_server_files',
                'reads the files of every ledger', NULL),
            (false,
                r.oid = ANY ($2)
                    AND x.oid <> ALL ($1 || $2)
                    AND EXISTS (
                        SELECT FROM pg_catalog.pg_class AS c, aclexplode(c.relacl) AS g
                            WHERE c.relnamespace = n.oid
                                AND c.relname = 'reporting_ledgers'
                                AND g.grantee = x.oid),
                'appends, and reads every ledger', NULL)
        ) AS p (superuser, given, power, remedy)
    WHERE n.nspname = 'payledger'
        AND p.superuser = r.rolsuper
        AND p.given
        AND (x.rolname = current_user
            OR $3
                AND x.oid <> $1
                AND EXISTS (SELECT FROM aclexplode(n.nspacl) AS g WHERE g.grantee = x.oid))
    ORDER BY 1, 2, 3
