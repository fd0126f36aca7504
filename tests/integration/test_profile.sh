#!/bin/bash
# Where the time of a mount's operations goes, as `far profile` tells it; and operations that take long, which are logged.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 64M
mnt=$temp/mnt
start_mount_process "$mnt" slow=300
head -c 1000000 /dev/urandom >"$mnt/file"

# profiled: what is seen of a second's work, as JSON, in $temp/profile.
profiled() {
	"$FAR" profile --seconds=1.5 --json "$mnt" >"$temp/profile" &
	sleep 0.3
	for _ in 1 2 3; do
		dd if="$mnt/file" of=/dev/null bs=100k iflag=direct status=none
		dd if=/dev/zero of="$mnt/other" bs=100k count=5 oflag=direct status=none
	done
	wait $!
}

# of KIND NAME: a figure.
of() { python3 -c 'import json, sys; print(next(entry[sys.argv[3]] for entry in json.load(open(sys.argv[1]))["operations"] if entry["operation"] == sys.argv[2]))' "$temp/profile" "$1" "$2"; }

counts_and_stages() {
	profiled
	[ "$(of write count)" -eq 15 ] && [ "$(of lookup count)" -ge 6 ]
	[ "$(of lookup wait_ns)" -gt 0 ] && [ "$(of lookup post_ns)" -gt 0 ] && [ "$(of lookup reply_ns)" -gt 0 ] && [ "$(of lookup work_ns)" -gt 0 ]
	[ "$(of write wait_ns)" -gt 0 ]
}

begins_anew() {
	"$FAR" profile --seconds=0.2 --json "$mnt" >"$temp/profile"
	refuse of write count
}

shows_a_table() {
	"$FAR" profile --seconds=0.5 "$mnt" >"$temp/table" &
	sleep 0.2
	ls -l "$mnt" >/dev/null
	wait $!
	cat "$temp/table"
	grep -q '^operation .* wait ' "$temp/table" && grep -q '^lookup ' "$temp/table" && grep -q 'operations in 0.5 s' "$temp/table"
}

fails() {
	local wanted=$1 words=$2 status=0
	shift 2
	"$@" 2>"$temp/refused" || status=$?
	cat "$temp/refused"
	[ $status -eq "$wanted" ] && grep -q "$words" "$temp/refused"
}

bad_use() {
	fails 2 'directory is missing' "$FAR" profile
	fails 2 'seconds above 0' "$FAR" profile --seconds=0 "$mnt"
	fails 1 'not the root of a mount' "$FAR" profile "$temp"
	fails 1 'not the root of a mount' "$FAR" profile "$mnt/file"
	fails 1 'No such file' "$FAR" profile "$temp/none"
	fails 1 'Invalid argument' setfattr -n user.far.profile -v 2 "$mnt"
}

slow_one_is_logged() {
	kill -STOP $server_pid
	mkdir "$mnt/slow" &
	sleep 1
	kill -CONT $server_pid
	wait $!
	grep -E 'slow operation=(lookup|getattr|mkdir) object=1 ms=' "$temp/fsd.log"
	[ "$(grep -c 'slow operation' "$temp/fsd.log")" -le 2 ]
}

check "operations are counted by kind, and their time by stage" counts_and_stages
check "each look begins from zero" begins_anew
check "people get a table" shows_a_table
check "wrong use is explained" bad_use
check "what takes long is logged" slow_one_is_logged
finish
