#!/bin/bash
# The far command against a running server: every command, its output, its exit status. Writes TAP.
#
#   FARFS_TEST_ADDRESS  the server's address; keys are made below test-cli-PID/ and bench/, and deleted at the end
#   FAR                 the program (default: far)
#   slower              divides what is only there to be much (harness.sh; default: 1)
set -u

: "${FAR:=far}"
if [ -z "${FARFS_TEST_ADDRESS:-}" ]; then
	echo '1..0 # SKIP FARFS_TEST_ADDRESS names no server'
	exit 0
fi
export FARFS_SERVER=$FARFS_TEST_ADDRESS LC_ALL=C.UTF-8
work=$(mktemp -d)
top=test-cli-$$
tests=0
failures=0
: "${slower:=1}"
large_bytes=$((52428800 / slower))
range_bytes=$((20971520 / slower))
files=$((200 / slower)) # of a tree
loads=$((1000 / slower))

clean() {
	"$FAR" rm -rf "$top" 2>/dev/null
	rm -rf "$work"
}
trap clean EXIT

# check NAME COMMAND...: passes if the command succeeds.
check() {
	local name=$1

	shift
	tests=$((tests + 1))
	if "$@" >"$work/check.log" 2>&1; then
		echo "ok $tests - $name"
	else
		failures=$((failures + 1))
		echo "not ok $tests - $name"
		sed 's/^/# /' "$work/check.log"
	fi
}

# run COMMAND...: keeps the program's output in $work/out and $work/err, its exit status in $status.
run() {
	"$FAR" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

exited() { [ "$status" -eq "$1" ] || { echo "exit status $status instead of $1"; cat "$work/err"; return 1; }; }
printed() { [ "$(cat "$work/out")" = "$1" ] || { echo "printed: $(cat "$work/out")"; return 1; }; }
said() { [ "$(cat "$work/err")" = "$1" ] || { echo "said: $(cat "$work/err")"; return 1; }; }
said_like() { grep -q "$1" "$work/err" || { echo "said: $(cat "$work/err")"; return 1; }; }
said_one_line() { [ "$(wc -l <"$work/err")" -eq 1 ] || { cat "$work/err"; return 1; }; }
is_json() { python3 -m json.tool <"$work/out" >/dev/null; }
# json EXPRESSION: of the printed document, as `d`.
json() { python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); assert eval(sys.argv[2]), d' "$work/out" "$1"; }
holds() { "$FAR" get "$1" | cmp - "$2"; }
is_absent() { "$FAR" stat "$1" >/dev/null 2>&1; [ $? -eq 4 ]; }

test_put_and_get() {
	printf 'one\0two\377\n' >"$work/binary"
	: >"$work/empty"
	head -c 4096 /dev/urandom >"$work/page"
	head -c 100000 /dev/urandom >"$work/medium"
	head -c $large_bytes /dev/urandom >"$work/large"

	for file in binary empty page medium large; do
		run put "$work/$file" "$top/values/$file"
		check "put $file exits 0" exited 0
		check "put $file prints nothing" printed ''
		check "get $file brings the bytes to standard output" holds "$top/values/$file" "$work/$file"
		run get "$top/values/$file" "$work/got"
		check "get $file into a file exits 0" exited 0
		check "get $file into a file brings the bytes" cmp "$work/got" "$work/$file"
		"$FAR" put - "$top/piped/$file" <"$work/$file"
		check "put - of $file stores standard input" holds "$top/piped/$file" "$work/$file"
		tail -c +1 "$work/$file" | "$FAR" put - "$top/piped/$file"
		check "put - of $file from a pipe replaces it" holds "$top/piped/$file" "$work/$file"
	done
	run put "$work/binary" "/$top/slashes"
	check 'a slash before the key is cut' holds "$top/slashes" "$work/binary"
	run put "$work/binary" "$top/into/"
	check 'a key that ends in a slash is a directory' holds "$top/into/binary" "$work/binary"
	printf x >"$work/-x"
	(cd "$work" && "$FAR" put -- -x "$top/dash")
	check 'behind -- a file may begin with a dash' holds "$top/dash" "$work/-x"
	key=$top/$(printf 'new\nline \303\244\377')
	"$FAR" put "$work/binary" "$key"
	check 'a key is any bytes' holds "$key" "$work/binary"
}

test_put_refused() {
	run put "$work/none" "$top/none"
	check 'put of a missing file exits 1' exited 1
	check 'put of a missing file says so' said "far: cannot read $work/none: No such file or directory"
	mkdir -p "$work/directory"
	run put "$work/directory" "$top/directory"
	check 'put of a directory without -r exits 1' exited 1
	check 'put of a directory says what to do' said_like 'use put -r'
	run put "$work/binary" "$top/values"
	check 'put onto a directory exits 1' exited 1
	check 'put onto a directory says so' said_like 'is a directory'
	run put "$work/binary" "$top/values/binary/below"
	check 'put below a value exits 1' exited 1
	run put "$work/binary" "$top/../x"
	check 'a key with .. is refused' exited 1
	check 'a refused key is named in one line' said_one_line
	run put "$work/binary" "$(printf 'a%.0s' {1..256})"
	check 'a component of 256 bytes is refused' exited 1
	run put -n "$work/page" "$top/values/binary"
	check 'put --if-absent of a key that exists exits 3' exited 3
	check 'put --if-absent leaves the value' holds "$top/values/binary" "$work/binary"
	run put --if-absent "$work/large" "$top/values/fresh"
	check 'put --if-absent of a new key exits 0' exited 0
	check 'put --if-absent stores a large value' holds "$top/values/fresh" "$work/large"
	run put "$work/binary"
	check 'put without a key exits 2' exited 2
}

test_put_interrupted() {
	local pid

	mkfifo "$work/fifo"
	(trap - INT; exec "$FAR" put - "$top/interrupted" <"$work/fifo" 2>/dev/null) &
	pid=$!
	exec 5>"$work/fifo"
	head -c 8388608 /dev/zero >&5
	kill -TERM $pid
	wait $pid 2>/dev/null
	exec 5>&-
	check 'a put that is killed leaves nothing' is_absent "$top/interrupted"
}

# A large value is fetched in pieces, which must not be of different versions.
test_get_while_it_changes() {
	local writer wrong=0

	head -c 12582912 /dev/zero | tr '\0' a >"$work/a"
	head -c 12582912 /dev/zero | tr '\0' b >"$work/b"
	run put "$work/a" "$top/changing"
	while :; do
		"$FAR" rm "$top/changing"
		"$FAR" put "$work/a" "$top/changing"
		sleep 0.03
		"$FAR" put "$work/b" "$top/changing"
		sleep 0.03
	done 2>/dev/null &
	writer=$!
	for _ in $(seq $((slower > 1 ? 5 : 20))); do
		rm -f "$work/got"
		"$FAR" get "$top/changing" "$work/got" 2>/dev/null || continue
		cmp -s "$work/got" "$work/a" || cmp -s "$work/got" "$work/b" || wrong=$((wrong + 1))
	done
	kill $writer
	wait $writer 2>/dev/null
	check 'get of a value that changes brings one version' test "$wrong" -eq 0
}

test_get_options() {
	run get "$top/none"
	check 'get of a missing key exits 4' exited 4
	check 'get of a missing key says so' said "far: get $top/none: no such key"
	run get "$top/none" "$work/absent"
	check 'a get that failed makes no file' test ! -e "$work/absent"
	run get "$top/values"
	check 'get of a directory exits 1' exited 1
	printf old >"$work/target"
	chmod 640 "$work/target"
	run get "$top/none" "$work/target"
	check 'a get that failed leaves the old file' test "$(cat "$work/target")" = old
	run get "$top/values/page" "$work/target"
	check 'get replaces a file' cmp "$work/target" "$work/page"
	check 'get keeps the mode of a file it replaces' test "$(stat -c %a "$work/target")" = 640
	check 'get leaves no temporary file' test -z "$(find "$work" -name '*.far-*')"
	run get "$top/values/page" "$work/directory"
	check 'get into a directory adds the name' cmp "$work/directory/page" "$work/page"
	run get "$top/values/page" /dev/null
	check 'get to a device leaves the device' test -c /dev/null
	run get --offset 1m --length 70000 "$top/values/large"
	check 'get of a range brings the range' cmp "$work/out" <(tail -c +1048577 "$work/large" | head -c 70000)
	run get --offset 1000 "$top/values/page"
	check 'get from an offset goes to the end' cmp "$work/out" <(tail -c +1001 "$work/page")
	run get --offset 5000 "$top/values/page"
	check 'get behind the end brings nothing' exited 0
	check 'get behind the end prints nothing' test ! -s "$work/out"
	run get --length $range_bytes --offset 3 "$top/values/large" "$work/got"
	check 'get of a long range brings the range' cmp "$work/got" <(tail -c +4 "$work/large" | head -c $range_bytes)
	run get --offset x "$top/values/page"
	check 'get with a wrong offset exits 2' exited 2
	"$FAR" get "$top/values/large" 2>"$work/err" | head -c 10 >/dev/null
	status=${PIPESTATUS[0]}
	check 'get into a pipe that closes ends as by SIGPIPE' exited 141
	check 'get into a pipe that closes says nothing' said ''
	"$FAR" get "$top/values/large" >/dev/full 2>"$work/err"
	status=$?
	check 'get onto a full device exits 1' exited 1
	check 'get onto a full device says so' said 'far: cannot write to standard output: No space left on device'
}

test_trees() {
	mkdir -p "$work/tree/sub/deep" "$work/tree/empty"
	for i in $(seq $files); do echo "$i" >"$work/tree/sub/$i"; done
	cp "$work/medium" "$work/tree/sub/deep"
	run put -r "$work/tree" "$top/tree"
	check 'put -r exits 0' exited 0
	run get -r "$top/tree" "$work/tree2"
	check 'get -r exits 0' exited 0
	check 'get -r brings the tree that put -r stored' diff -r "$work/tree" "$work/tree2"
	ln -s nowhere "$work/tree/link"
	mkfifo "$work/tree/pipe"
	run put -r "$work/tree/" "$top/tree3/"
	check 'put -r with a link exits 1' exited 1
	check 'put -r names the link it skipped' said_like "tree/link: skipped: a symbolic link"
	check 'put -r names the pipe it skipped' said_like "tree/pipe: skipped: not a file or directory"
	check 'put -r counts what it skipped' said_like "tree/: 2 skipped, $((files + 1)) stored"
	rm "$work/tree/link" "$work/tree/pipe"
	run get -r "$top/tree3" "$work/tree3"
	check 'put -r stores the rest' diff -r "$work/tree" "$work/tree3"
	echo changed >"$work/tree/sub/1"
	run put -rn "$work/tree" "$top/tree"
	check 'put -r --if-absent of keys that exist exits 3' exited 3
	check 'put -r --if-absent leaves them' test "$("$FAR" get "$top/tree/sub/1")" = 1
	run get -r "$top/none" "$work/tree4"
	check 'get -r of a missing key exits 4' exited 4
	run get -r "$top/tree"
	check 'get -r without a directory exits 2' exited 2
}

test_ls() {
	run ls "$top/tree"
	check 'ls lists a directory by name' printed "$top/tree/empty/
$top/tree/sub/"
	run ls -r "$top/tree"
	check 'ls -r lists all' test "$(wc -l <"$work/out")" -eq $((files + 4))
	check 'ls -r lists a directory before its contents' grep -qx "$top/tree/sub/deep/medium" "$work/out"
	run ls -U "$top/tree/sub"
	check 'ls -U lists all' test "$(wc -l <"$work/out")" -eq $((files + 1))
	run ls "$top/values/pa"
	check 'ls of a prefix lists what begins so' printed "$top/values/page"
	run ls "$top/values/page"
	check 'ls of a value lists it' printed "$top/values/page"
	run put "$work/page" "$top/values/page2"
	run ls -p "$top/values/page"
	check 'ls -p lists what begins with a key' printed "$top/values/page
$top/values/page2"
	run ls -l "$top/values/medium"
	check 'ls -l shows the size' grep -q ' 100000 ' "$work/out"
	run ls -lh "$top/values/medium"
	check 'ls -lh shows the size for people' grep -q ' 98K ' "$work/out"
	run ls --json "$top/tree/sub"
	check 'ls --json is JSON' is_json
	check 'ls --json has all entries' json "len(d) == $((files + 1))"' and d[0]["key"].endswith("/sub/1") and d[0]["size"] == 2 and d[0]["type"] == "file"'
	run ls --json "$top/tree/empty"
	check 'ls --json of an empty directory is an empty array' json 'd == []'
	run ls --json -p "$top/new"
	check 'ls --json gives bytes that are not UTF-8 in hexadecimal' json 'bytes.fromhex(d[0]["key_hex"]).endswith(b"new\nline \xc3\xa4\xff")'
	run ls "$top/none"
	check 'ls of what is not there exits 4' exited 4
	run ls "$top/none/"
	check 'ls of a directory that is not there exits 4' exited 4
	if command -v script >/dev/null; then
		script -qec "$FAR ls -p $top/new" /dev/null >"$work/out" </dev/null
		check 'ls on a terminal escapes control bytes' grep -qF 'new\x0aline' "$work/out"
	fi
}

test_stat() {
	run stat "$top/values/medium"
	check 'stat exits 0' exited 0
	check 'stat shows the size' grep -q 'size *100000' "$work/out"
	check 'stat shows the eager limit' grep -q 'eager limit *[0-9]' "$work/out"
	run stat --json "$top/values/medium" "$top/values"
	check 'stat --json is JSON' is_json
	check 'stat --json has the attributes' json \
		'd["objects"][0]["size"] == 100000 and d["objects"][0]["version"] >= 1 and d["objects"][1]["type"] == "directory"'
	check 'stat --json has the session' json 'd["session"]["provider"] in ("shm", "tcp", "rdma") and d["session"]["eager_limit"] >= 4096'
	run stat
	check 'stat without a key shows the session' grep -q '^session' "$work/out"
	run stat /
	check 'stat of / shows the root' grep -q 'type *directory' "$work/out"
	run stat "$top/none" "$top/values/page"
	check 'stat of a missing key exits 4' exited 4
	check 'stat goes on behind a missing key' grep -q 'size *4096' "$work/out"
}

test_cas() {
	run cas "$top/cas" 0 "$work/binary"
	check 'cas 0 of a new key exits 0' exited 0
	check 'cas prints the new version' grep -qx '[0-9]*' "$work/out"
	version=$(cat "$work/out")
	run cas "$top/cas" 0 "$work/page"
	check 'cas 0 of a key that exists exits 3' exited 3
	check 'cas prints the current version' printed "$version"
	check 'cas that lost says so in one line' said_one_line
	"$FAR" cas "$top/cas" "$version" - <"$work/page" >"$work/out"
	status=$?
	check 'cas of the current version exits 0' exited 0
	check 'cas of the current version counts on' printed "$((version + 1))"
	check 'cas stores the value' holds "$top/cas" "$work/page"
	run cas "$top/none" 7 "$work/page"
	check 'cas of a missing key exits 3' exited 3
	check 'cas of a missing key prints 0' printed 0
	run cas "$top/cas" seven "$work/page"
	check 'cas with a wrong version exits 2' exited 2
}

test_append() {
	printf abc | "$FAR" append - "$top/append/log" >"$work/out"
	status=$?
	check 'append makes a missing key' exited 0
	check 'append prints the new size' printed 3
	printf de >"$work/piece"
	run append "$work/piece" "$top/append/log"
	check 'append adds to the end' printed 5
	run append --offset=1 "$work/piece" "$top/append/log"
	check 'append --offset stores there' printed 5
	printf adede >"$work/expected"
	check 'append stores the bytes' holds "$top/append/log" "$work/expected"
	head -c 5000000 /dev/urandom >"$work/long"
	run append "$work/long" "$top/append/long"
	check 'append of more than one part prints the size' printed 5000000
	check 'append stores all parts' holds "$top/append/long" "$work/long"
	run append "$work/piece" "$top/append"
	check 'append to a directory exits 1' exited 1
	run append "$work/none" "$top/append/log"
	check 'append of a missing file exits 1' exited 1
	run append --offset=x "$work/piece" "$top/append/log"
	check 'append with a wrong offset exits 2' exited 2
}

test_mget() {
	run mget "$top/append/log" "$top/none" "$top/append/log"
	check 'mget of a missing key exits 4' exited 4
	check 'mget prints the others, and an empty line' printed "$(printf 'adede\n\nadede')"
	check 'mget names the missing key in one line' said_one_line
	run mget -0 "$top/append/log"
	printf 'adede\0' >"$work/expected"
	check 'mget -0 ends values by zero bytes' cmp "$work/out" "$work/expected"
	"$FAR" mget "$top/append/long" | head -c 5000000 | cmp - "$work/long"
	status=$?
	check 'mget prints long values' exited 0
	run mget
	check 'mget without keys exits 2' exited 2
}

test_names() {
	run mkdir "$top/new/a/b" "$top/new/c/"
	check 'mkdir exits 0' exited 0
	run mkdir "$top/new/a/b"
	check 'mkdir of a directory that exists exits 0' exited 0
	run mkdir "$top/cas"
	check 'mkdir of a value exits 1' exited 1
	run mv "$top/cas" "$top/moved/cas"
	check 'mv makes the directories' holds "$top/moved/cas" "$work/page"
	check 'mv leaves no old name' is_absent "$top/cas"
	run mv "$top/moved/cas" "$top/new/c/"
	check 'mv into a directory adds the name' holds "$top/new/c/cas" "$work/page"
	run mv "$top/new" "$top/renamed"
	check 'mv renames a directory' holds "$top/renamed/c/cas" "$work/page"
	run mv "$top/none" "$top/x"
	check 'mv of a missing key exits 4' exited 4
	run mv "$top/renamed" "$top/renamed/below"
	check 'mv of a directory into itself exits 1' exited 1
	run mv "$top/renamed"
	check 'mv of one name exits 2' exited 2
	run rm "$top/renamed"
	check 'rm of a directory that is not empty exits 1' exited 1
	check 'rm of a directory says what to do' said_like 'use rm -r'
	run rm "$top/renamed/c/cas" "$top/renamed/c"
	check 'rm deletes values and empty directories' exited 0
	run rm "$top/none"
	check 'rm of a missing key exits 4' exited 4
	run rm -f "$top/none"
	check 'rm -f of a missing key exits 0' exited 0
	run rm -r "$top/tree" "$top/renamed"
	check 'rm -r exits 0' exited 0
	check 'rm -r deletes the tree' is_absent "$top/tree"
	run rm -r /
	check 'rm -r / is refused' exited 1
	check 'rm -r / deletes nothing' holds "$top/values/page" "$work/page"
}

test_server_figures() {
	run df
	check 'df exits 0' exited 0
	check 'df has two lines' test "$(wc -l <"$work/out")" -eq 2
	run df -h
	check 'df -h shows units' grep -q '[0-9][KMGT] ' "$work/out"
	run df --json
	check 'df --json adds up' json 'd["total"] == d["used"] + d["free"] and d["available"] <= d["free"] and d["objects"] > 0'
	run ping -c 3 -i 0
	check 'ping exits 0' exited 0
	check 'ping shows each answer' test "$(grep -c '^answer' "$work/out")" -eq 3
	check 'ping says which provider and why' grep -Eq ': (shm|tcp|rdma), because ' "$work/out"
	run ping -q -c 2 -i 0 --json
	check 'ping --json has the round trip' json 'd["answers"] == 2 and 0 < d["rtt_ns"]["min"] <= d["rtt_ns"]["p50"] <= d["rtt_ns"]["max"]'
	run bench --seconds 0.05 --sizes 64,4k,64k --keys 16
	check 'bench exits 0' exited 0
	check 'bench prints a line for each operation and size' test "$(grep -cE '^(warm-get|cold-get|put) ' "$work/out")" -eq 9
	run bench --seconds 0.05 --sizes 0,1m --ops put,get,stat,ping --threads 2 --keys 4 --cpus 0 --json
	check 'bench --json is JSON' is_json
	check 'bench --json has all results' json 'len(d["results"]) == 8 and all(r["operations"] > 0 for r in d["results"])'
	run bench --cold --ops get --sizes 64 --seconds 0.05 --json
	check 'bench --cold asks the server' json 'd["results"][0]["one_sided"] == 0'
	run bench --ops ping --seconds 0.05 --batch 16 --json
	check 'bench --batch times calls together' json 'd["results"][0]["batch"] == 16'
	run bench --load --keys $loads --threads 2 --json
	check 'bench --load stores and ends' json \
		'[(r["op"], r["operations"], r["size"]) for r in d["results"]] == [("insert", '$loads', 64)]'
	run ls -U bench
	check 'bench --load leaves its objects' test "$(wc -l <"$work/out")" -eq $loads
	run bench --run --keys $loads --ops warm-get,cold-get --verify --seconds 0.05 --json
	check 'bench --run measures with what --load left' json \
		'[(r["op"], r["size"], r["keys"], r["wrong"]) for r in d["results"]] == [("warm-get", 64, '$loads', 0), ("cold-get", 64, '$loads', 0)]'
	printf '%064d' 0 | "$FAR" put - bench/3
	run bench --run --keys $loads --ops get --verify --distribution sequential --operations $loads --warm-up 0 --json
	check 'bench --verify counts a wrong value' json 'd["results"][0]["wrong"] == 1'
	check 'bench --verify exits 1 after a wrong value' exited 1
	check 'bench --verify says how many' said_like '1 values were wrong'
	run bench --run --keys $loads --ops get --operations $((20 * loads))
	check 'bench without --verify ends at a wrong value' said_like 'bench/3 brought wrong bytes'
	run bench --run --keys $((loads + 1)) --ops get
	check 'bench --run of more keys than loaded exits 4' exited 4
	"$FAR" rm -rf bench
	run bench --keep --keys 10 --ops get --seconds 0.05 --prefix "$top/kept"
	run ls "$top/kept"
	check 'bench --keep --prefix leaves its keys there' test "$(wc -l <"$work/out")" -eq 10
}

# keeps_to_rate RATE ARGUMENT...: no run of 100 operations is faster than the rate. One that the machine does not hold up is no slower either;
# how often that is so is the machine's business, so there are many tries.
keeps_to_rate() {
	local rate=$1

	shift
	for _ in {1..50}; do
		run bench --sizes 64 --operations 100 --warm-up 0 --rate "$rate" "$@" --json
		json "d['results'][0]['operations'] == 100 and d['results'][0]['seconds'] >= 97 / $rate" || return
		json "d['results'][0]['seconds'] <= 115 / $rate" 2>/dev/null && return
	done
	return 1
}

test_bench_loads() {
	local workload

	for workload in a b c d e f; do
		run bench --workload $workload --keys 200 --operations 1000 --warm-up 0.05 --threads 2 --verify --json
		check "bench --workload $workload finds every value right" json \
			'd["results"][0]["operations"] > 0 and d["results"][0]["wrong"] == 0'
	done
	run bench --workload a --keys 200 --operations 5000 --warm-up 0 --json
	check 'bench --operations ends behind them' json 'd["results"][0]["operations"] == 5000'
	check 'bench of a mix has a row for each operation' json \
		'[r["op"] for r in d["results"]] == ["all", "get", "put"] and 2200 < d["results"][1]["operations"] < 2800'
	run bench --ops put,get:50+rmw:50,get --sizes 0-100,64:9+5k:1 --keys 50 --threads 2 --seconds 0.05 --warm-up 0.02 --verify --json
	check 'bench of mixed sizes finds every value right' json 'len(d["results"]) == 10 and all(r.get("wrong", 0) == 0 for r in d["results"])'
	run bench --ops incr,get:50+incr:50 --keys 50 --threads 2 --sizes 64 --seconds 0.05 --warm-up 0.02 --verify --json
	check 'bench of counters finds every value right' json 'len(d["results"]) == 4 and all(r.get("wrong", 0) == 0 for r in d["results"])'
	run ls -p far-bench-
	check 'bench of counters deletes them, too' exited 4
	run bench --ops incr --keep --prefix "$top/counted" --keys 50 --threads 2 --sizes 64 --operations 5000 --warm-up 0 --json
	check 'bench of counters adds as often as it says' \
		[ "$("$FAR" ls "$top/counted" | grep 'c$' | xargs "$FAR" counter | awk '{sum += $1} END {print sum}')" = 5000 ]
	check 'bench --rate keeps to it' keeps_to_rate 500 --ops ping --threads 2
	check 'bench --rate has both times' json 'd["results"][0]["latency_ns"]["p50"] >= d["results"][0]["service_ns"]["p50"]'
	run bench --depth 16 --ops warm-get,cold-get,get:50+put:50,put,insert,stat --sizes 64,0-20k --keys 50 --threads 2 --operations 500 --warm-up 0.02 --verify --json
	check 'bench --depth finds every value right' json \
		'd["depth"] == 16 and len(d["results"]) == 16 and all(r.get("wrong", 0) == 0 and r["operations"] > 0 for r in d["results"])'
	run bench --depth 7 --ops put --keys 200 --sizes 64 --operations 1001 --threads 3 --json
	check 'bench --depth ends behind --operations' json 'd["results"][0]["operations"] == 1001'
	check 'bench --depth keeps to --rate' keeps_to_rate 500 --ops stat --threads 2 --depth 4
	check 'bench --depth --rate has both times' json 'd["results"][0]["latency_ns"]["p50"] >= d["results"][0]["service_ns"]["p50"]'
	run bench --depth 16 --load --keys $loads
	run bench --depth 16 --run --keys $loads --ops warm-get --verify --seconds 0.05 --json
	check 'bench --depth measures with what it loaded' json 'd["results"][0]["wrong"] == 0'
	printf '%064d' 0 | "$FAR" put - bench/3
	run bench --depth 16 --run --keys $loads --ops get --operations $((20 * loads))
	check 'bench --depth ends at a wrong value' said_like 'bench/3 brought wrong bytes'
	"$FAR" rm -rf bench
	run bench --ops get,put --sizes 64 --seconds 0.05 --csv
	check 'bench --csv has as many values as names' python3 -c \
		'import csv,sys; r=list(csv.DictReader(open(sys.argv[1]))); assert [x["op"] for x in r] == ["get", "put"] and all(None not in x and None not in x.values() for x in r), r' "$work/out"
	run bench --ops ping --sizes 64 --seconds 3.2 --progress
	check 'bench --progress writes a line a second' said_like '^ping, 64 bytes: [123] s, [0-9]* operations'
	run bench --ops ping --sizes 64 --seconds 0.05
	check 'bench is silent where there is no terminal' said ''
	"$FAR" bench --workload a --keys 100 --seconds 60 >"$work/out" 2>"$work/err" &
	sleep 1
	kill $! # not SIGINT, which a shell's background programs ignore
	wait $!
	status=$?
	check 'bench that is interrupted exits 1' exited 1
	run ls -p far-bench-
	check 'bench that is interrupted deletes its keys' exited 4
}

# refuses WHAT OPTION...: as wrong usage, naming the first option.
refuses() {
	local name=$1

	shift
	run bench "$@"
	check "bench of $name exits 2" exited 2
	check "bench of $name says so in one line" said_one_line
	check "bench of $name names the option" said_like "far bench: ${1%%=*}"
}

test_bench_usage() {
	refuses 'an unknown operation' --ops=fly
	refuses 'an unknown operation in a mix' --ops=get:50+fly:50
	refuses 'a weight of 0' --ops=get:0+put:1
	refuses 'a range backwards' --sizes=100-10
	refuses 'an unknown distribution' --distribution=normal
	refuses 'a theta that is too large' --distribution=zipf:11
	refuses 'an unknown workload' --workload=g
	refuses 'a rate of 0' --rate=0
	refuses 'no keys' --keys=0
	refuses 'a negative warm-up' --warm-up=-1
	refuses 'a directory for --prefix' --prefix=a/
	refuses 'a workload and operations' --workload=a --ops=get
	refuses 'a scan without a directory' --flat --ops=scan
	refuses 'a depth of 0' --depth=0
	refuses 'a depth that is too large' --depth=1025
	refuses 'a depth for calls that no queue has' --depth=2 --ops=rmw
	refuses 'a depth for known and unknown locations at once' --depth=2 --ops=warm-get+cold-get
	refuses 'a depth and a batch' --depth=2 --batch=2
	run bench --load --run
	check 'bench of two phases exits 2' exited 2
	run bench --json --csv
	check 'bench of two outputs exits 2' exited 2
	run bench --keep --sizes 64,4k
	check 'bench --keep of several sizes exits 2' exited 2
	run ls -p far-bench-
	check 'bench deletes its keys' exited 4
}

test_program() {
	run
	check 'far alone exits 2' exited 2
	run fly
	check 'an unknown command exits 2' exited 2
	check 'an unknown command is named' said_like 'fly: no such command'
	run ls --fly
	check 'an unknown option exits 2' exited 2
	run version
	check 'version prints it' grep -Eqx 'far [0-9.]+' "$work/out"
	run --version
	check '--version prints it' grep -Eqx 'far [0-9.]+' "$work/out"
	run help
	check 'help lists the commands' grep -q '^  put ' "$work/out"
	for command in $("$FAR" help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
		run help "$command"
		check "help $command exits 0" exited 0
		check "help $command shows the usage" grep -q "^Usage: far $command" "$work/out"
	done
	run help fly
	check 'help of an unknown command exits 2' exited 2
	run ls >/dev/null
	FARFS_SERVER=tcp://127.0.0.1:1 run ls
	check 'a server that is not there is a failure' exited 1
	check 'a server that is not there is said in one line' said_one_line
	FARFS_SERVER=tcp://127.0.0.1:1 run -s "$FARFS_TEST_ADDRESS" df
	check '--server before the command wins over the environment' exited 0
	FARFS_SERVER=tcp://127.0.0.1:1 run df --server="$FARFS_TEST_ADDRESS"
	check '--server behind the command wins over the environment' exited 0
	run -s bad://x ls
	check 'a wrong address is a failure' exited 1
}

test_put_and_get
test_put_refused
test_put_interrupted
test_get_while_it_changes
test_get_options
test_trees
test_ls
test_stat
test_cas
test_append
test_mget
test_names
test_server_figures
test_bench_loads
test_bench_usage
test_program
echo "1..$tests"
[ "$failures" -eq 0 ]
