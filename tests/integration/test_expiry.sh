#!/bin/bash
# Times to live: by the command, over a mount, seen from a second one; open files; a server with deadlines ahead sleeps.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 128M
a=$temp/a
b=$temp/b
start_mount "$a"
start_mount "$b"
second=$((slower > 1 ? 4 : 1)) # a time to live that is not over before it has been looked at

# --- by the command ---
put_with_a_ttl() {
	echo value | "$FAR" put --ttl=${second}s - k
	[ "$("$FAR" get k)" = value ]
	"$FAR" stat k | grep -q 'seconds to live'
	"$FAR" stat --json k | json_field objects | grep -q ttl_ms
	sleep "$second.02"
	fails 4 'no such key' "$FAR" get k
}
expire_ttl_and_persist() {
	echo value | "$FAR" put - k
	fails 1 'no time to live' "$FAR" ttl k
	"$FAR" expire k 90s
	[[ $("$FAR" ttl k) =~ ^(89\.[0-9]{3}|90\.000|8[0-8]\.[0-9]{3})$ ]]
	echo other | "$FAR" put --keep-ttl - k
	"$FAR" ttl k
	"$FAR" persist k
	fails 1 'no time to live' "$FAR" persist k
	"$FAR" expire k 2m
	echo plain | "$FAR" put - k
	fails 1 'no time to live' "$FAR" ttl k
	"$FAR" rm k
}
wrong_times() {
	echo value | "$FAR" put - k
	for time in 0 0s 0ms x 1y -5 -- '' 1e400 nan; do
		fails 2 . "$FAR" expire k "$time"
	done
	fails 2 'ttl' "$FAR" put --ttl=0 - k </dev/null
	fails 2 'ttl' "$FAR" put --ttl=5 --keep-ttl - k </dev/null
	fails 1 '100 years' "$FAR" expire k 40000d
	fails 4 'no such key' "$FAR" expire none 5
	"$FAR" mkdir d
	fails 1 'is a directory' "$FAR" expire d 5
	fails 1 'no time to live' "$FAR" ttl k
	"$FAR" rm -r k d
}

# --- over the mount ---
attribute() {
	python3 - "$@" <<-'PYTHON'
		import errno, os, sys
		what, path, *value = sys.argv[1:]
		try:
		    if what == "set": os.setxattr(path, "user.far.ttl", value[0].encode())
		    elif what == "get": print(os.getxattr(path, "user.far.ttl").decode())
		    elif what == "list": print("\n".join(os.listxattr(path)))
		    else: os.removexattr(path, "user.far.ttl")
		except OSError as e:
		    sys.exit(errno.errorcode[e.errno])
	PYTHON
}
attribute_sets_shows_and_ends_it() {
	echo value >"$a/f"
	refuse attribute get "$a/f" 2>"$temp/message"
	grep -q ENODATA "$temp/message"
	attribute set "$a/f" 60
	[[ $(attribute get "$b/f") =~ ^(59|5[0-8]|60)\.[0-9]{3}$ ]]
	attribute list "$b/f" | grep -qx user.far.ttl
	"$FAR" ttl f
	attribute remove "$b/f"
	refuse attribute get "$a/f" 2>/dev/null
	fails 1 'no time to live' "$FAR" ttl f
	attribute set "$a/f" "$second.5"
	[ "$(cat "$b/f")" = value ]
	sleep "$second.6"
	[ ! -e "$a/f" ]
	[ ! -e "$b/f" ]
}
attribute_takes_nothing_else() {
	echo value >"$a/f"
	mkdir "$a/d"
	for time in 0 -1 x 1.2345 99999999999999999999 3155760001 ''; do
		refuse attribute set "$a/f" "$time" 2>"$temp/message"
		grep -q EINVAL "$temp/message"
	done
	refuse attribute set "$a/d" 5 2>"$temp/message"
	grep -q EISDIR "$temp/message"
	rm -r "$a/f" "$a/d"
}
open_file_is_kept() {
	python3 - "$a" "$b" "$second" <<-'PYTHON'
		import os, sys, time
		a, b, second = sys.argv[1:]
		with open(a + "/f", "w") as f: f.write("value")
		os.link(a + "/f", a + "/further")
		kept = open(b + "/f", "r+")
		assert kept.read() == "value"
		os.setxattr(a + "/f", "user.far.ttl", second.encode())
		assert sorted(os.listdir(b)) == ["f", "further"]
		time.sleep(float(second) + 0.02)
		for mount in a, b:
		    assert os.listdir(mount) == [], os.listdir(mount)
		    for name in "f", "further":
		        try: os.stat(mount + "/" + name)
		        except FileNotFoundError: continue
		        raise SystemExit("still there")
		kept.seek(0)
		assert kept.read() == "value"
		kept.write(" and more"); kept.flush()
		kept.seek(0)
		assert kept.read() == "value and more"
		assert os.fstat(kept.fileno()).st_nlink == 0
		kept.close()
		with open(a + "/f", "x") as f: f.write("new")
		assert open(b + "/f").read() == "new"
		os.unlink(b + "/f")
	PYTHON
}
file_changes_keep_it() {
	echo value >"$a/f"
	attribute set "$a/f" 60
	echo more >>"$a/f"
	chmod 600 "$b/f"
	mv "$a/f" "$a/g"
	truncate -s 100 "$b/g"
	attribute get "$a/g"
	rm "$a/g"
}
directory_of_what_is_over_is_empty() {
	mkdir "$a/d"
	for i in $(seq 20); do echo value | "$FAR" put --ttl=$((second * 2))s - "d/$i"; done
	sleep "$((second * 2)).02"
	[ -z "$(ls "$b/d")" ]
	rmdir "$b/d"
}
# Not a wake-up more than it takes to hand deadlines down the wheel.
server_with_deadlines_ahead_sleeps() {
	for i in $(seq 20); do echo value | "$FAR" put --ttl=1h - "later/$i"; done
	sleep 0.5
	before=$(awk '/ctxt/ {n += $2} END {print n}' /proc/$server_pid/status)
	sleep 3
	after=$(awk '/ctxt/ {n += $2} END {print n}' /proc/$server_pid/status)
	echo "context switches: $((after - before))"
	[ $((after - before)) -le 10 ]
	"$FAR" rm -r later
}
sound() {
	"$FAR" fsck
}

check 'a value stored with a time to live is gone when it is over' put_with_a_ttl
check 'expire, ttl and persist; a put ends it, --keep-ttl does not' expire_ttl_and_persist
check 'times that cannot be are refused, and change nothing' wrong_times
check 'user.far.ttl sets it, shows what is left and ends it, on both mounts' attribute_sets_shows_and_ends_it
check 'user.far.ttl takes nothing but a time to live: EINVAL; EISDIR for directories' attribute_takes_nothing_else
check 'who has the file open keeps it; all its names are gone on both mounts' open_file_is_kept
check 'writing, chmod, renaming and truncating keep it' file_changes_keep_it
check 'a directory of files that are over is empty' directory_of_what_is_over_is_empty
check 'a server with deadlines ahead sleeps' server_with_deadlines_ahead_sleeps
check 'the structures fit together' sound
finish
