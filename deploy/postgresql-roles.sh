#!/bin/sh
# Give PostgreSQL Wireroom's two roles: `wireroom_owner` makes and migrates the tables, `wireroom` reads and writes
# their rows and can make, alter and drop nothing. It may be run again at any time, by an administrator of the database;
# after a restore it must be, for the tables are the administrator's then.
set -eu
secrets=${SECRETS:-/run/secrets}
PGPASSWORD=$(cat "$secrets/postgres_password") # in the environment and on stdin: not an argument, which `ps` shows
export PGPASSWORD PGHOST="${PGHOST:-postgres}" PGUSER="${PGUSER:-postgres}" PGDATABASE="${PGDATABASE:-wireroom}"
sql() { psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 "$@"; }
answers() { [ "$(sql --username "$1" --command "$2" 2>/dev/null)" = t ]; }

# Where `wireroom` was made as the only user it is the administrator for good: it goes on as `postgres`, with its password.
if [ "$PGUSER" = postgres ] && ! answers postgres 'SELECT true' &&
    answers wireroom 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user'; then
    sql --username wireroom <<END
BEGIN;
CREATE ROLE wireroom_renaming SUPERUSER;
SET SESSION AUTHORIZATION wireroom_renaming; -- nobody can rename himself
ALTER ROLE wireroom RENAME TO postgres;
RESET SESSION AUTHORIZATION;
DROP ROLE wireroom_renaming;
COMMIT;
END
fi

sql <<END
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['wireroom_owner', 'wireroom']) AS name
WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
ALTER ROLE wireroom_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '$(cat "$secrets/owner_password")';
ALTER ROLE wireroom LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '$(cat "$secrets/store_password")';

REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO wireroom_owner, wireroom;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO wireroom_owner;
GRANT USAGE ON SCHEMA public TO wireroom;

SELECT format('ALTER TABLE %s OWNER TO wireroom_owner', oid::regclass) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relowner <> 'wireroom_owner'::regrole \gexec
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO wireroom;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO wireroom;
ALTER DEFAULT PRIVILEGES FOR ROLE wireroom_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO wireroom;
ALTER DEFAULT PRIVILEGES FOR ROLE wireroom_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO wireroom;
END
echo "roles are as they should be"
