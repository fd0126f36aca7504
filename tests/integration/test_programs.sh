#!/bin/bash
# Programs that know nothing of FarFS, working inside the mount.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 512M
rows=$((20000 / slower))
files=$((50 / slower)) # of each writer
headers=linux
[ "$slower" -eq 1 ] || headers=linux/netfilter
mnt=$temp/mnt
start_mount "$mnt"

use_git() {
	mkdir "$mnt/repo" && cd "$mnt/repo"
	git init -q
	git config user.email test@example.com
	git config user.name test
	cp -r "$here" tests
	git add .
	git commit -qm first
	echo more >>tests/harness.sh
	git commit -qam second
	git fsck --full --strict
	git gc -q
	git fsck --full
	[ -z "$(git status --porcelain)" ]
	git clone -q . ../clone
	diff -r tests ../clone/tests
}

use_compiler() {
	mkdir "$mnt/c" && cd "$mnt/c"
	printf '#include <stdio.h>\nint main(void) { puts("from far memory"); return 0; }\n' >hello.c
	cc -O1 -g -c hello.c -o hello.o
	cc hello.o -o hello
	[ "$(./hello)" = 'from far memory' ]
}

use_sqlite() {
	sqlite3 "$mnt/a.db" <<-SQL
		PRAGMA journal_mode=delete;
		CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT);
		CREATE INDEX i ON t(text);
		WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < $rows) INSERT INTO t SELECT x, hex(randomblob(20)) FROM n;
		DELETE FROM t WHERE id % 3 = 0;
		VACUUM;
	SQL
	[ "$(sqlite3 "$mnt/a.db" 'PRAGMA integrity_check; SELECT count(*) FROM t;')" = "$(printf 'ok\n%d' $((rows - rows / 3)))" ]
}

parallel_writers() {
	mkdir "$mnt/parallel"
	for writer in 1 2 3 4 5 6 7 8; do
		(
			for number in $(seq $files); do
				head -c $((writer * number * 613)) /dev/urandom >"$temp/w$writer-$number"
				cp "$temp/w$writer-$number" "$mnt/parallel/$writer-$number"
			done
		) &
		jobs[$writer]=$!
	done
	for writer in 1 2 3 4 5 6 7 8; do wait ${jobs[$writer]}; done
	for writer in 1 2 3 4 5 6 7 8; do
		for number in $(seq $files); do cmp "$temp/w$writer-$number" "$mnt/parallel/$writer-$number"; done
	done
}

one_file_eight_writers() {
	truncate -s 8M "$mnt/shared"
	for writer in 0 1 2 3 4 5 6 7; do
		head -c 1M /dev/zero | tr '\0' "$writer" >"$temp/part$writer"
		dd if="$temp/part$writer" of="$mnt/shared" bs=64k seek=$((writer * 16)) conv=notrunc status=none &
		jobs[$writer]=$!
	done
	for writer in 0 1 2 3 4 5 6 7; do wait ${jobs[$writer]}; done
	cat "$temp"/part? | cmp - "$mnt/shared"
}

tar_round() {
	tar -C /usr/include -cf "$mnt/i.tar" $headers
	mkdir "$mnt/untar"
	tar -C "$mnt/untar" -xf "$mnt/i.tar"
	diff -r /usr/include/$headers "$mnt/untar/$headers"
}

map_shared() {
	python3 - "$mnt/mapped" <<-'PYTHON'
		import mmap, sys
		with open(sys.argv[1], "w+b") as f:
		    f.truncate(1 << 20)
		    with mmap.mmap(f.fileno(), 0) as m:
		        m[4090:4100] = b"over pages"
		        m.flush()
		    f.seek(4090)
		    assert f.read(10) == b"over pages"
	PYTHON
	[ "$("$FAR" get --offset 4090 --length 10 mapped)" = 'over pages' ]
}

# check_with PROGRAM NAME CASE
check_with() {
	if command -v "$1" >/dev/null; then check "$2" "$3"; else skip "$2" "no $1 here"; fi
}

check_with git "git init, add, commit, gc, fsck, clone" use_git
check_with cc "a C program compiles, links and runs" use_compiler
check_with sqlite3 "sqlite3 makes and checks a database" use_sqlite
check "8 parallel writers, $((8 * files)) files" parallel_writers
check "8 writers into one file" one_file_eight_writers
check "tar in and out" tar_round
check "a shared writable mapping" map_shared
finish
