-- What anybody but the owner may do that is not harmless: the kind of object, which, who, and the privilege.
-- $1: the functions that an application calls.
SELECT kind,
        object,
        role,
        privilege
    FROM (
        SELECT 'SCHEMA' AS kind, 'payledger' AS object, nspowner AS owner, nspacl AS acl, 'USAGE' AS harmless
            FROM pg_catalog.pg_namespace
            WHERE nspname = 'payledger'
        UNION ALL
        SELECT 'TABLE', oid::regclass::text, relowner, relacl, 'SELECT'
            FROM pg_catalog.pg_class
            WHERE relnamespace = 'payledger'::regnamespace
        UNION ALL
        SELECT 'COLUMN', attrelid::regclass::text || '.' || quote_ident(attname), c.relowner, attacl, 'SELECT'
            FROM pg_catalog.pg_attribute AS a
                JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
            WHERE relnamespace = 'payledger'::regnamespace
        UNION ALL
        SELECT 'FUNCTION', oid::regprocedure::text, proowner, coalesce(proacl, acldefault('f', proowner)),
                CASE WHEN proname = ANY ($1) THEN 'EXECUTE' ELSE '' END
            FROM pg_catalog.pg_proc
            WHERE pronamespace = 'payledger'::regnamespace
    ) AS o
        CROSS JOIN LATERAL (
            SELECT g.grantee,
                    g.privilege_type AS privilege,
                    g.is_grantable,
                    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END AS role
                FROM aclexplode(o.acl) AS g
        ) AS granted
    WHERE grantee <> owner
        AND (grantee = 0 OR is_grantable OR privilege <> harmless)
    ORDER BY 1, 2, 3, 4
