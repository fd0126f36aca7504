#!/bin/bash
# Linearizability under fire: what processes see of keys that others change at full speed is recorded and judged (tests/linear). FARFS_FIRE_SECONDS: how long in all.
. "$(dirname "$0")/harness.sh"
: "${FAR_FIRE:=$here/../../build/tests/linear/fire}" "${FAR_CHECK:=$here/../../build/tests/linear/check}"
seconds=${FARFS_FIRE_SECONDS:-$((slower > 1 ? 30 : 6))} # where all is slower, so is the load that makes a history worth judging
histories=$temp/histories
start_server 512M

# part N OF: so many seconds of all.
part() {
	awk "BEGIN {print $seconds * $1 / $2}"
}

# under_fire SECONDS OPTION...: the load, which must have got through without an error, and the verdict.
under_fire() {
	rm -rf "$histories"
	mkdir "$histories"
	"$FAR_FIRE" --seconds "$1" --seed "$RANDOM" "${@:2}" "$histories" >"$temp/done"
	cat "$temp/done"
	"$FAR_CHECK" "$histories"
}

# at_least N FIELD...: the last load did that often what the test is about.
at_least() {
	local field
	for field in "${@:2}"; do
		[ "$(sed -n "s/.* $field=\([0-9]*\).*/\1/p" "$temp/done")" -ge "$1" ]
	done
}

processes() {
	under_fire "$(part 1 2)" --processes 4 --keys 4
	at_least 20 get stat put cas delete delete_version rename_in rename_out
	at_least 100 one_sided retries
}

threads() {
	under_fire "$(part 1 4)" --processes 2 --threads 3 --keys 2
	at_least 20 get put cas
}

files() {
	start_mount "$temp/mnt"
	under_fire "$(part 1 4)" --processes 2 --mount "$temp/mnt" --mount-readers 2 --keys 6
	at_least 20 get put cas
	stop_mount "$temp/mnt"
}

# With a server that wants its clients to find keys by themselves.
probing() {
	under_fire "$(part 1 4)" --processes 4 --keys 4
	at_least 20 get put cas rename_in rename_out
	at_least 100 probes
}

no_history() {
	mkdir -p "$temp/none"
	fails 2 'proves nothing' "$FAR_CHECK" "$temp/none"
	fails 2 'No such file' "$FAR_CHECK" "$temp/nowhere"
	head -c 1000 /dev/zero >"$temp/none/history.0"
	fails 2 'no history' "$FAR_CHECK" "$temp/none"
	head -c -1 "$histories/history.0" >"$temp/none/history.0"
	fails 2 'ends within an operation' "$FAR_CHECK" "$temp/none"
	fails 2 'another history' "$FAR_CHECK" "$histories/history.0" "$histories/history.0"
}

check "processes on few keys: linearizable" processes
check "threads on few keys: linearizable" threads
if [ -e /dev/fuse ]; then
	check "files of a mount while their keys change: linearizable" files
else
	skip "files of a mount while their keys change: linearizable" "no /dev/fuse here"
fi
check "what is no history is refused, and none proves nothing" no_history
stop_server
start_server 512M --probing always
check "keys found in the index by their readers: linearizable" probing
finish
