-- How many connections the role and the database may have: which, how many, what sets it.
SELECT 'role ' || rolname,
        rolconnlimit,
        format('ALTER ROLE %I CONNECTION LIMIT', rolname)
    FROM pg_catalog.pg_roles
    WHERE rolname = current_user
        AND NOT rolsuper

UNION ALL
SELECT 'database ' || datname,
        datconnlimit,
        format('ALTER DATABASE %I CONNECTION LIMIT', datname)
    FROM pg_catalog.pg_database
    WHERE datname = current_database()
        AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
