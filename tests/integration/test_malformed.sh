#!/bin/bash
# Malformed, truncated, oversized and reordered messages on live tcp lanes: each ends its own lane, the server serves on.
. "$(dirname "$0")/harness.sh"
[ "$provider" = tcp ] || skip_all "frames are tcp's; shm's foul clients are in tests/unit/test_shm.c"
start_server 64M
port=${address##*:}
echo good | "$FAR" put - good
before=$(free_bytes)

closes_and_serves_on() {
	timeout 20 python3 "$here/malformed.py" "$port" "$1"
	[ "$("$FAR" get good)" = good ]
	kill -0 "$server_pid"
}
nothing_is_left() { wait_until 100 free_is; }
free_is() { [ "$(free_bytes)" -eq "$before" ]; }
silent_connections() {
	# Connections that say nothing neither stop the server nor stay.
	for _ in $(seq 100); do exec {fd}<>"/dev/tcp/127.0.0.1/$port"; done
	[ "$("$FAR" get good)" = good ]
}
memory_is_small() {
	kib=$(awk '/^RssAnon/ {print $2}' "/proc/$server_pid/status")
	echo "$kib KiB"
	[ "$kib" -le 65536 ]
}

for name in $(python3 "$here/malformed.py" list); do
	check "$name" closes_and_serves_on "$name"
done
check "silent connections" silent_connections
check "nothing is left of all that" nothing_is_left
check "the server has not grown" memory_is_small
finish
