#!/bin/bash
# Databases with their files in the mount. FARFS_LONG=N makes them run N times as long.
. "$(dirname "$0")/harness.sh"
need_fuse
long=${FARFS_LONG:-1}
start_server 2G
mnt=$temp/mnt
start_mount "$mnt"
chmod 755 "$temp" # the database's own user comes through here

# --- SQLite with a write-ahead log: writers and readers at once, one writer killed ---

sqlite_stress() {
	mkdir "$mnt/sqlite"
	python3 -B "$here/sqlite_stress.py" "$mnt/sqlite/wal.db" wal $((6 * long))
}

sqlite_rollback_stress() {
	python3 -B "$here/sqlite_stress.py" "$mnt/sqlite/rollback.db" delete $((4 * long))
}

# --- PostgreSQL ---

postgres_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
database=$mnt/postgres

as_postgres() {
	(cd / && setpriv --reuid postgres --regid postgres --init-groups env PATH="$postgres_bin:$PATH" HOME=/tmp "$@")
}

postgres_init() {
	mkdir "$database" "$temp/socket"
	chown postgres: "$database" "$temp/socket"
	as_postgres initdb --pgdata "$database/data" --auth trust --no-locale --encoding UTF8 --data-checksums
}

postgres_start() {
	as_postgres pg_ctl --pgdata "$database/data" --wait --log "$database/log" --options "-k $temp/socket -c listen_addresses= -c shared_buffers=16MB -c max_wal_size=64MB" start >/dev/null
}

postgres_bench() {
	postgres_start
	as_postgres pgbench --host "$temp/socket" --initialize --quiet --scale $((2 * long)) postgres
	as_postgres pgbench --host "$temp/socket" --client 4 --jobs 2 --time $((8 * long)) --no-vacuum postgres
	[ "$(as_postgres psql -h "$temp/socket" -Atc 'SELECT count(*) > 0 FROM pgbench_history' postgres)" = t ]
}

# Stopped without a word: what was committed is there when the log has been played back.
postgres_crash() {
	local sum='SELECT sum(abalance) FROM pgbench_accounts; SELECT sum(delta) FROM pgbench_history'
	local before after
	before=$(as_postgres psql -h "$temp/socket" -Atc "$sum" postgres)
	as_postgres pg_ctl --pgdata "$database/data" --mode immediate stop >/dev/null
	postgres_start
	after=$(as_postgres psql -h "$temp/socket" -Atc "$sum" postgres)
	[ "$before" = "$after" ]
	as_postgres psql -h "$temp/socket" -qc 'VACUUM FULL' postgres
	as_postgres psql -h "$temp/socket" -qc 'REINDEX DATABASE postgres' postgres
}

postgres_checksums() {
	as_postgres pg_ctl --pgdata "$database/data" --mode fast stop >/dev/null
	as_postgres pg_checksums --check --pgdata "$database/data"
	is_consistent
}

check "SQLite, write-ahead log: 3 processes write and read, one is killed" sqlite_stress
check "SQLite, rollback journal: the same" sqlite_rollback_stress
if [ -n "$postgres_bin" ] && id postgres >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
	check "PostgreSQL: initdb with data checksums" postgres_init
	check "PostgreSQL: pgbench" postgres_bench
	check "PostgreSQL: recovery after a crash" postgres_crash
	check "PostgreSQL: all checksums are right" postgres_checksums
else
	skip "PostgreSQL" "no PostgreSQL, no user postgres, or not root here"
fi
finish
