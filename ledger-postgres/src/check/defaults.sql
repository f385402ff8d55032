-- What would be granted on what the owner $1 makes: by which role, on what, to whom, and the remedy.
SELECT DISTINCT pg_get_userbyid(defaclrole)::text,
        kind,
        named.grantee,
        format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM %s',
            pg_get_userbyid(defaclrole),
            CASE WHEN defaclnamespace <> 0 THEN ' IN SCHEMA payledger' END,
            kind,
            named.grantee)
    FROM pg_catalog.pg_default_acl
        CROSS JOIN LATERAL aclexplode(defaclacl) AS g
        CROSS JOIN LATERAL (
            SELECT CASE defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'FUNCTIONS' END AS kind,
                CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS grantee
        ) AS named
    WHERE defaclobjtype IN ('r', 'f')
        AND g.grantee <> defaclrole
        AND (defaclnamespace = 'payledger'::regnamespace
            OR defaclnamespace = 0
                AND defaclrole = $1
                -- What everybody may call by default, a migration takes back.
                AND (defaclobjtype, g.grantee) <> ('f', 0))
    ORDER BY 1, 2, 3
