#!/bin/bash
# Counters: by the command, as files of a mount, seen from a second one while several processes add.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 128M
a=$temp/a
b=$temp/b
start_mount "$a"
start_mount "$b"
adds=$((10000 / slower))
second=$((slower > 1 ? 4 : 1)) # a time to live that is not over before it has been looked at

# decimal FILE: what a program finds there, which reads 8 bytes as a number.
decimal() { od -An -t d8 "$1" | tr -d ' '; }

# --- by the command ---
incr_and_decr() {
	[ "$("$FAR" incr d/hits)" = 1 ]
	[ "$("$FAR" incr d/hits 41)" = 42 ]
	[ "$("$FAR" decr d/hits)" = 41 ]
	[ "$("$FAR" decr d/hits 51)" = -10 ]
	[ "$("$FAR" incr d/hits -- -5)" = -15 ]
	[ "$("$FAR" decr d/hits -- -5)" = -10 ]
	[ "$("$FAR" incr --initial=100 d/hits)" = -9 ]
	[ "$("$FAR" incr --initial=100 d/other)" = 101 ]
	[ "$("$FAR" counter d/hits d/other)" = "$(printf -- '-9\n101')" ]
	"$FAR" rm -r d
}
set_and_compare() {
	[ "$("$FAR" counter --set=7 k)" = 0 ]
	[ "$("$FAR" counter --set=-8 k)" = 7 ]
	[ "$("$FAR" counter --set=9 --if=-8 k)" = -8 ]
	status=0
	"$FAR" counter --set=10 --if=8 k >"$temp/out" 2>"$temp/err" || status=$?
	[ $status -eq 3 ]
	[ "$(cat "$temp/out")" = 9 ]
	grep -q 'compare-and-swap k: the counter has not the expected value' "$temp/err"
	[ "$("$FAR" counter k)" = 9 ]
	"$FAR" rm k
	fails 4 'no such key' "$FAR" counter --set=1 --if=0 k
	fails 4 'no such key' "$FAR" incr --existing k
	fails 4 'no such key' "$FAR" counter k
}
what_is_no_counter() {
	printf 1234567 | "$FAR" put - text
	"$FAR" mkdir d
	for command in 'incr text' 'decr text' 'counter text' 'counter --set=1 text' 'counter --set=1 --if=1 text'; do
		# shellcheck disable=SC2086
		fails 1 'text: no counter: a counter is a value of exactly 8 bytes' "$FAR" $command
	done
	fails 1 'is a directory' "$FAR" incr d
	fails 1 'not a directory' "$FAR" incr text/k
	[ "$("$FAR" get text)" = 1234567 ]
	"$FAR" rm -r d text
}
range() {
	"$FAR" counter --set=9223372036854775807 k
	fails 1 'leave the range of 64 bits' "$FAR" incr k
	[ "$("$FAR" decr k 9223372036854775807)" = 0 ]
	[ "$("$FAR" incr k -- -9223372036854775808)" = -9223372036854775808 ]
	fails 1 'leave the range of 64 bits' "$FAR" decr k
	fails 2 'from -2\^63 to 2\^63 - 1' "$FAR" incr k 9223372036854775808
	fails 2 'from -2\^63 to 2\^63 - 1' "$FAR" decr k -- -9223372036854775808
	for number in x 1.5 '' 1k ' 1' +1 0x1; do
		fails 2 'must be a whole number' "$FAR" incr k "$number"
		fails 2 'must be a whole number' "$FAR" counter --set="$number" k
		fails 2 'must be a whole number' "$FAR" counter --set=1 --if="$number" k
	done
	[ "$("$FAR" counter k)" = -9223372036854775808 ]
	"$FAR" rm k
}
wrong_usage() {
	fails 2 'give the key' "$FAR" incr
	fails 2 'one argument too many' "$FAR" incr k 1 2
	fails 2 'give the keys' "$FAR" counter --set=1
	fails 2 'give the new value by --set' "$FAR" counter --if=1 k
	fails 2 'not with --existing' "$FAR" incr --existing --ttl=5 k
	fails 2 'ttl=0' "$FAR" incr --ttl=0 k
	fails 1 '100 years' "$FAR" incr --ttl=40000d k
	fails 4 'no such key' "$FAR" counter k
}
time_to_live() {
	[ "$("$FAR" incr --ttl=${second}s k)" = 1 ]
	[ "$("$FAR" incr --ttl=1h k)" = 2 ]
	"$FAR" ttl k
	sleep "$second.02"
	fails 1 'no time to live' sh -c "'$FAR' incr k && '$FAR' ttl k"
	[ "$("$FAR" counter k)" = 1 ]
	"$FAR" rm k
}
by_the_prompt() {
	[ "$(printf 'incr k 5\ndecr k\ncounter k\ncounter --set=0 k\n' | "$FAR" repl)" = "$(printf '5\n4\n4\n4')" ]
	"$FAR" rm k
}

# --- as a file ---
file_of_8_bytes() {
	"$FAR" incr k 258
	[ "$(stat -c %s "$a/k")" = 8 ]
	[ "$(decimal "$a/k")" = 258 ]
	printf '\002\001\0\0\0\0\0\0' | cmp - "$b/k"
	"$FAR" get k | cmp - "$b/k"
	printf '\003\0\0\0\0\0\0\0' >"$a/k"
	[ "$("$FAR" incr k)" = 4 ]
	[ "$(decimal "$b/k")" = 4 ]
	cp "$a/k" "$b/copy"
	[ "$("$FAR" incr copy 6)" = 10 ]
	[ "$("$FAR" counter k)" = 4 ]
	truncate -s 8 "$a/hole"
	[ "$("$FAR" decr hole)" = -1 ]
	printf x >>"$a/k"
	fails 1 'no counter' "$FAR" incr k
	rm "$a/k" "$a/copy" "$a/hole"
}
open_file_sees_it() {
	python3 - "$a" "$b" "$FAR" <<-'PYTHON'
		import os, struct, subprocess, sys
		a, b, far = sys.argv[1:]
		def incr(): subprocess.run([far, "incr", "k"], check=True, stdout=subprocess.DEVNULL)
		incr()
		files = [os.open(mount + "/k", os.O_RDWR) for mount in (a, b)]
		before = os.fstat(files[0])
		for count in range(2, 20):
		    incr()
		    for fd in files: assert struct.unpack("<q", os.pread(fd, 100, 0)) == (count,)
		assert os.fstat(files[0]).st_mtime_ns > before.st_mtime_ns
		os.pwrite(files[1], struct.pack("<q", 1000), 0)
		incr()
		assert struct.unpack("<q", os.pread(files[0], 8, 0)) == (1001,)
		os.unlink(a + "/k")
		incr()
		assert struct.unpack("<q", os.pread(files[0], 8, 0)) == (1001,)
		assert struct.unpack("<q", open(b + "/k", "rb").read()) == (1,)
		os.unlink(b + "/k")
	PYTHON
}
# A page of a file in pages may be written by the session itself (layout.h R7).
file_in_pages() {
	python3 - "$a" "$FAR" <<-'PYTHON'
		import os, struct, subprocess, sys
		a, far = sys.argv[1:]
		fd = os.open(a + "/k", os.O_RDWR | os.O_CREAT)
		os.pwrite(fd, bytes(100000), 0)
		os.ftruncate(fd, 8)
		for count in range(0, 100, 5):
		    for _ in range(4): os.pwrite(fd, struct.pack("<q", count), 0)
		    out = subprocess.run([far, "incr", "k", "5"], check=True, capture_output=True).stdout
		    assert int(out) == count + 5, (out, count)
		    assert struct.unpack("<q", os.pread(fd, 8, 0)) == (count + 5,)
		os.unlink(a + "/k")
	PYTHON
}
attribute_shows_and_sets_it() {
	python3 - "$a" "$b" "$FAR" <<-'PYTHON'
		import errno, os, struct, subprocess, sys
		a, b, far = sys.argv[1:]
		name = "user.far.counter"
		def refuses(error, call, *arguments):
		    try: call(*arguments)
		    except OSError as e: assert e.errno == error, e
		    else: raise AssertionError(arguments)
		open(a + "/k", "x").close()
		refuses(errno.ENODATA, os.getxattr, a + "/k", name)
		os.setxattr(a + "/k", name, b"41")
		subprocess.run([far, "incr", "k"], check=True)
		assert os.getxattr(b + "/k", name) == b"42"
		kept = os.open(b + "/k", os.O_RDONLY)
		assert struct.unpack("<q", os.pread(kept, 8, 0)) == (42,)
		os.setxattr(a + "/k", name, b"-1")
		assert struct.unpack("<q", os.pread(kept, 8, 0)) == (-1,)
		assert name not in os.listxattr(a + "/k")
		for wrong in b"", b"x", b"1 ", b"9223372036854775808": refuses(errno.EINVAL, os.setxattr, a + "/k", name, wrong)
		with open(a + "/text", "w") as f: f.write("1234567")
		refuses(errno.EINVAL, os.setxattr, a + "/text", name, b"1")
		os.mkdir(a + "/d")
		refuses(errno.EISDIR, os.setxattr, a + "/d", name, b"1")
		assert open(a + "/text").read() == "1234567"
		assert os.getxattr(b + "/k", name) == b"-1"
		os.rmdir(a + "/d")
		for file in "k", "text": os.unlink(a + "/" + file)
	PYTHON
}

# --- several at once ---
# Nobody sees a count that is less than one seen before.
watch_file() {
	local last=0 count
	while [ ! -e "$temp/done" ]; do
		count=$(decimal "$1")
		[ "$count" -ge "$last" ] || { echo "$count behind $last in $1"; return 1; }
		last=$count
	done
}
adds_of_processes() {
	"$FAR" counter --set=0 d/sum
	for mount in "$a" "$b"; do
		watch_file "$mount/d/sum" &
		watchers+=($!)
	done
	for number in 1 2 3 4; do
		seq "$adds" | sed 's/.*/incr d\/sum/' | "$FAR" repl >"$temp/sums$number" &
		adders+=($!)
	done
	for pid in "${adders[@]}"; do wait "$pid"; done
	touch "$temp/done"
	for pid in "${watchers[@]}"; do wait "$pid"; done
	[ "$("$FAR" counter d/sum)" = $((adds * 4)) ]
	[ "$(decimal "$b/d/sum")" = $((adds * 4)) ]
	"$FAR" rm -r d
}
# Each sum was told to one process, and to one alone.
sums_are_all_different() {
	cat "$temp"/sums* | sort -n | cmp - <(seq $((adds * 4)))
}

check 'incr and decr make, add and take, and print the sum' incr_and_decr
check 'counter shows, sets and compares; exit status 3 and the value if it is another' set_and_compare
check 'what is no counter is refused, and keeps its value' what_is_no_counter
check 'sums and numbers beyond 64 bits are refused' range
check 'wrong usage is told, exit status 2' wrong_usage
check 'a new counter gets its time to live, and begins anew when it is over' time_to_live
check 'far repl has them, too' by_the_prompt
check 'a counter is a file of 8 bytes, and such a file a counter' file_of_8_bytes
check 'open files see each change, on both mounts' open_file_sees_it
check 'a file in pages that its session writes in place is counted on from what was written' file_in_pages
check 'user.far.counter shows and sets the value in digits, and is not listed' attribute_shows_and_sets_it
check "4 processes x $adds adds lose nothing while two mounts read" adds_of_processes
check 'each sum is told once' sums_are_all_different
finish
