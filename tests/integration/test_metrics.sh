#!/bin/bash
# What the server tells of itself: the metrics endpoint, lines in the log, far top.
. "$(dirname "$0")/harness.sh"

# served [OPTIONS...]: a server with an endpoint; sets url and health. The ready descriptor tells the port.
served() {
	start_server 64M --metrics=127.0.0.1:0 "$@"
	url=$(sed -n 's/^.* metrics url=//p' "$temp/server.log" | tail -1)
	health=${url%/metrics}/healthz
}

look() { python3 "$here/metrics.py" "$url" "$@"; }
of() { look get farfs_operations_total "operation=$1"; }
gauge_is() { [ "$(look get "$1")" = "$2" ]; }

is_prometheus_text() {
	"$FAR" put - key <<<value
	"$FAR" get key
	look check
	look names "$here/../../docs/grafana/farfs.json"
}

counts_exactly() {
	local puts gets errors received
	puts=$(of put) gets=$(of get) errors=$(look get farfs_operation_errors_total operation=get)
	received=$(look get farfs_value_received_bytes_total)
	for i in 1 2 3 4 5; do
		printf 12345 | "$FAR" put - "counted/$i"
	done
	"$FAR" get counted/1
	fails 4 . "$FAR" get counted/none
	# A value from standard input is an upload that is published, or a put: either is five.
	[ $(($(of put) - puts)) -eq 5 ] || [ "$(of publish)" -eq 5 ]
	[ $(($(of get) - gets)) -eq 2 ]
	[ $(($(look get farfs_operation_errors_total operation=get) - errors)) -eq 1 ]
	wait_until 30 gauge_is farfs_value_received_bytes_total $((received + 25))
	wait_until 30 gauge_is farfs_sessions 0
	gauge_is farfs_lanes 0
}

answers_http() {
	[ "$(python3 "$here/metrics.py" "$health" status)" = 200 ]
	[ "$(python3 "$here/metrics.py" "$health" status HEAD)" = 200 ]
	[ "$(python3 "$here/metrics.py" "$url" status POST)" = 405 ]
	[ "$(python3 "$here/metrics.py" "$url/none" status)" = 404 ]
	sleep 4 # an idle server turns, too
	[ "$(python3 "$here/metrics.py" "$health" status)" = 200 ]
}

# Bytes that are no HTTP, and connections that say nothing, end by themselves; others are answered.
bears_nonsense() {
	local port=${url#http://127.0.0.1:}
	port=${port%/metrics}
	python3 - "$port" <<-'END'
		import os, socket, sys
		silent = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(8)]
		for length in (1, 100, 100000):
		    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as peer:
		        try:
		            peer.sendall(os.urandom(length))
		        except ConnectionError:
		            pass
	END
	look check
	"$FAR" ping -c 1
}

# One thread of another process can be stopped.
may_trace() {
	local status=0
	sleep 10 &
	python3 "$here/metrics.py" none trace $! >/dev/null || status=$?
	kill $!
	return $status
}

port_in_use() {
	local taken=${url#http://}
	fails 1 "cannot serve metrics: ${taken%/metrics}: .*another program listens there: choose another port" \
		"$FAR_SERVER" --pool 16M --listen "shm://$temp/other.sock" --metrics="${taken%/metrics}"
}

bad_options() {
	fails 2 '--metrics: 9440: give HOST:PORT' "$FAR_SERVER" --metrics=9440
	fails 2 '--metrics: \[::1\]: give HOST:PORT' "$FAR_SERVER" --metrics='[::1]'
	fails 2 '--metrics: localhost:99999: ' "$FAR_SERVER" --metrics=localhost:99999
	fails 2 '--metrics: :9440: .*host' "$FAR_SERVER" --metrics=:9440
	for bad in 0s 10 1x -5s 1ms 25h 99999999999999999999s ''; do
		fails 2 "--stats-interval: $bad: give a time" "$FAR_SERVER" "--stats-interval=$bad"
	done
	printf 'stats-interval = 3\n' >"$temp/bad.conf"
	fails 1 'bad.conf:1: stats-interval: 3: give a time' "$FAR_SERVER" --config "$temp/bad.conf"
	fails 1 'cannot serve metrics: 192.0.2.1:9440: .*no address of this host' \
		"$FAR_SERVER" --pool 16M --listen "shm://$temp/other.sock" --metrics=192.0.2.1:9440
}

logs_figures() {
	wait_until 50 grep -q ' statistics ' "$temp/server.log"
	grep ' statistics ' "$temp/server.log" | tail -3
	for _ in $(seq 20); do "$FAR" ping -q -c 5 -i 0 >/dev/null; done
	sleep 0.5
	grep -E '^info statistics seconds=0\.[0-9] operations_per_s=[1-9][0-9]* .* p50_us=[0-9.]+ p99_us=[0-9.]+ evicted_per_s=0 sessions=[0-9]+ .* pool_bytes=67108864$' "$temp/server.log"
}

top_as_json() {
	"$FAR" put - top <<<value
	"$FAR" top -i 0.5 -n 2 --json >"$temp/top" &
	local top=$!
	for _ in $(seq 30); do "$FAR" stat top >/dev/null; done
	wait $top
	python3 - "$temp/top" "$top" <<-'END'
		import json, sys
		looks = [json.loads(line) for line in open(sys.argv[1])]
		assert len(looks) == 2, looks
		assert all(0.4 < look["seconds"] < 5 for look in looks)
		stats = [entry for look in looks for entry in look["operations"] if entry["operation"] == "stat"]
		assert sum(entry["count"] for entry in stats) >= 2 and all(entry["errors"] == 0 for entry in stats), stats
		memory = looks[0]["memory"]
		assert sum(size for use, size in memory.items() if use != "pool") == memory["pool"] == 64 << 20, memory
		own = [session for session in looks[1]["sessions"] if session["pid"] == int(sys.argv[2])]
		assert len(own) == 1 and own[0]["client"] == "far" and own[0]["peer"] and own[0]["operations"] >= 6, looks[1]["sessions"]
	END
}

top_for_people() {
	"$FAR" top -i 0.2 -n 1 >"$temp/top"
	cat "$temp/top"
	grep -Eq '^operation +per s' "$temp/top" && grep -Eq '^metrics +[0-9]+' "$temp/top" && grep -Eq '^far +[0-9]+' "$temp/top"
	refuse grep -q $'\033' "$temp/top"
	refuse grep -q evicted "$temp/top" # nothing is
	script -qec "stty rows 24 cols 80; '$FAR' top -i 0.2 -n 1" /dev/null >"$temp/live"
	grep -q $'\033\\[H' "$temp/live"
	timeout --preserve-status -s INT 2 "$FAR" top -i 0.2 >"$temp/top"
	[ "$(grep -c '^operations/s' "$temp/top")" -ge 3 ]
	fails 2 'seconds from 0.1' "$FAR" top -i 0
	fails 2 'above 0' "$FAR" top -n 0
	fails 2 'no arguments' "$FAR" top x
}

# The same figures as far quota's, the nearest to a limit first, and no more than a few.
top_shows_quotas() {
	"$FAR" top -i 0.1 -n 1 >"$temp/top"
	refuse grep -q 'quota of' "$temp/top"
	for i in 1 2 3 4 5 6 7; do
		"$FAR" mkdir "q/$i"
		"$FAR" quota --objects=10 "q/$i"
		for j in $(seq "$i"); do "$FAR" put - "q/$i/$j" <<<value; done
	done
	"$FAR" quota --bytes=1M q/4
	"$FAR" top -i 0.1 -n 1 >"$temp/top"
	cat "$temp/top"
	[ "$(grep -A6 'quota of' "$temp/top" | grep -o '/q/.*' | tr '\n' ' ')" = '/q/7 /q/6 /q/5 /q/4 /q/3 ' ]
	grep -Eq '^ +40% +576 +1\.0M +4 +10  /q/4$' "$temp/top"
	grep -q '^2 more$' "$temp/top"
	"$FAR" top -i 0.1 -n 1 --json >"$temp/top"
	"$FAR" quota --json >"$temp/quotas"
	python3 - "$temp/top" "$temp/quotas" <<-'END'
		import json, sys
		top, quotas = (json.load(open(name)) for name in sys.argv[1:])
		quotas = quotas["quotas"]
		assert top["quota_count"] == len(quotas) == 7, top
		percents = [round(entry.pop("used_percent"), 2) for entry in top["quotas"]]
		assert percents == [70, 60, 50, 40, 30], percents
		assert all(entry in quotas for entry in top["quotas"]), top
	END
	for i in 1 2 3 4 5 6 7; do "$FAR" quota --remove "q/$i"; done
	"$FAR" rm -r q
}

if "$FAR_SERVER" --pool 16M --listen "shm://$temp/probe.sock" --metrics=192.0.2.1:1 2>&1 | grep -q 'not built in'; then
	skip "the endpoint" "libmicrohttpd is not built in"
	start_server 64M --stats-interval=200ms
else
	served --stats-interval=200ms
	check "the text is Prometheus's, adds up, and has the dashboard's names" is_prometheus_text
	check "counters grow by what was done" counts_exactly
	check "methods and paths are answered as HTTP has it" answers_http
	check "nonsense disturbs nobody" bears_nonsense
	check "a port in use is told, with what to do" port_in_use
	check "wrong values are told" bad_options
	if may_trace; then
		check "healthz tells of a loop that is stuck" python3 "$here/metrics.py" "$health" stuck "$server_pid"
	else
		skip "healthz tells of a loop that is stuck" "no ptrace here"
	fi
fi
check "the log has figures" logs_figures
check "far top for scripts" top_as_json
check "far top for people" top_for_people
check "far top shows the quotas that are nearest to their limits" top_shows_quotas
finish
