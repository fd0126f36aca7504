#!/bin/bash
# Watches: by the command, of what the command and a mount do; watchers that stop, servers that go and come back, bounds.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 256M
m=$temp/m
start_mount "$m"

# begin NAME OPTION... -- KEY...: a watch whose lines go to the file NAME; returns when it watches. Sets watch_pid.
begin() {
	local name=$1 options=()
	shift
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	rm -f "$temp/$name" "$temp/$name.err" # of an earlier one
	# What a script begins in the background ignores SIGINT.
	env --default-signal=INT "$FAR" watch "${options[@]}" -- "ready-$name" "$@" >"$temp/$name" 2>"$temp/$name.err" </dev/null &
	watch_pid=$!
	wait_until 300 is_ready "$name"
}
is_ready() {
	"$FAR" rm -f "ready-$1"
	"$FAR" put - "ready-$1" </dev/null
	grep -qs "ready-$1" "$temp/$1"
}
# lines NAME: what it told but for its readiness, as `KIND KEY...`; `lost EVENTS`.
lines() {
	grep -v "ready-$1" "$temp/$1" | awk '{ if ($1 != "lost") $2 = ""; $1 = $1; print }' | sed 's/  */ /g'
}
# tells NAME LINE [COUNT]: waits until it has told it so often.
tells() {
	wait_until 300 has_lines "$1" "$2" "${3:-1}" || { echo "$1 does not tell '$2'"; cat "$temp/$1" "$temp/$1.err"; return 1; }
}
has_lines() { [ "$(lines "$1" | grep -cxF -- "$2")" -ge "$3" ]; }
# told NAME: it has told the lines of standard input, in this order and no others.
told() {
	local expected
	expected=$(cat)
	tells "$1" "$(tail -1 <<<"$expected")"
	diff <(echo "$expected") <(lines "$1")
}
# end PID: it ends by Ctrl-C, with status 0.
end() {
	kill -INT "$1"
	wait "$1"
}

# --- what is told ---
command_is_told() {
	begin w -- d
	echo one | "$FAR" put - d/f
	tells w 'created d/f'
	echo two | "$FAR" put - d/f
	tells w 'changed d/f' # what changes again before it is told is told once
	echo more | "$FAR" append - d/f
	"$FAR" mv d/f d/g
	"$FAR" expire d/g 1h
	"$FAR" persist d/g
	"$FAR" rm d/g
	echo short | "$FAR" put --ttl=0.2s - d/t
	tells w 'expired d/t'
	"$FAR" rm d
	end $watch_pid
	diff <(lines w | grep -v '^attributes') - <<-'EOF'
		created d/
		created d/f
		changed d/f
		changed d/f
		renamed d/f -> d/g
		deleted d/g
		created d/t
		expired d/t
		deleted d/
	EOF
	lines w | grep -qx 'attributes d/g'
}
mount_is_told() {
	mkdir "$m/d"
	begin w -- d
	echo value >"$temp/value"
	cp "$temp/value" "$m/d/f"
	tells w 'changed d/f'
	truncate -s 2 "$m/d/f"
	tells w 'changed d/f' 2
	chmod 600 "$m/d/f"
	tells w 'attributes d/f'
	setfattr_user "$m/d/f"
	mv "$m/d/f" "$m/d/g"
	ln "$m/d/g" "$m/d/h"
	echo more >>"$m/d/h"
	tells w 'changed d/h'
	rm "$m/d/g"
	mkdir "$m/d/e"
	ln -s target "$m/d/e/s"
	mv "$m/d/e" "$m/d/e2"
	rm -r "$m/d/e2"
	mv "$m/d/h" "$m/out"
	rm "$m/out"
	rmdir "$m/d"
	tells w 'deleted d/'
	end $watch_pid
	diff <(lines w | grep -v '^attributes') - <<-'EOF'
		created d/f
		changed d/f
		changed d/f
		renamed d/f -> d/g
		created d/h
		changed d/g
		changed d/h
		deleted d/g
		created d/e/
		created d/e/s
		renamed d/e/ -> d/e2/
		deleted d/e2/s
		deleted d/e2/
		renamed d/h -> out
		deleted d/
	EOF
}
setfattr_user() { python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.a", b"1")' "$1"; }
# A mount that shares memory with the server writes such files by itself, else: while they are watched it asks.
writes_in_place_are_told() {
	python3 - "$m/f" <<-'PYTHON' &
		import os, sys, time
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
		os.write(fd, bytes(65536))
		end = os.path.join(os.path.dirname(sys.argv[1]), "end")
		while not os.path.exists(end):
		    for _ in range(50):
		        os.pwrite(fd, b"x" * 4096, 8192)
		    time.sleep(0.01)
	PYTHON
	local writer=$! version
	sleep 0.3
	begin w -- f
	wait_until 300 tells_changes 5
	touch "$m/end"
	wait $writer
	version=$("$FAR" stat --json f | python3 -c 'import json, sys; print(json.load(sys.stdin)["objects"][0]["version"])')
	wait_until 300 grep -q "^changed *$version f\$" "$temp/w"
	end $watch_pid
	rm "$m/f" "$m/end"
}
tells_changes() { [ "$(grep -c '^changed.* f$' "$temp/w")" -ge "$1" ]; }
two_watchers() {
	begin a -- dir
	local first=$watch_pid
	begin b --prefix -- dir
	for key in dir/f dirty di other/dir/f dir/sub/g; do echo value | "$FAR" put - "$key"; done
	told a <<-'EOF'
		created dir/
		created dir/f
		created dir/sub/
		created dir/sub/g
	EOF
	told b <<-'EOF'
		created dir/
		created dir/f
		created dirty
		created dir/sub/
		created dir/sub/g
	EOF
	end "$first"
	"$FAR" rm dirty
	tells b 'deleted dirty'
	end "$watch_pid"
	"$FAR" rm -r dir di other
}
ancestors_that_move_are_told() {
	echo value | "$FAR" put - top/d/sub/f
	begin w -- top/d/sub/f
	"$FAR" mv top moved
	tells w 'renamed top/ -> moved/'
	"$FAR" mv moved top
	tells w 'renamed moved/ -> top/'
	end "$watch_pid"
	"$FAR" rm -r top
}
has_created_twice() { [ "$(grep -c '"created", "key": "k"' "$temp/w")" -eq 2 ]; }
json_and_kinds() {
	begin w --json --events=created,renamed -- k
	printf 'value' | "$FAR" put - k
	printf 'value' | "$FAR" put - k
	"$FAR" mv k "$(printf 'k\377')"
	printf 'value' | "$FAR" put - k
	wait_until 300 has_created_twice
	end "$watch_pid"
	python3 - "$temp/w" <<-'PYTHON'
		import json, sys
		events = [json.loads(line) for line in open(sys.argv[1])]
		events = [event for event in events if "ready" not in event["key"]]
		version = events[0].pop("version")
		assert events[0] == {"event": "created", "key": "k", "is_directory": False}, events
		assert events[1]["event"] == "renamed" and events[1]["version"] == version + 1 and events[1]["new_key_hex"] == "6bff", events
		assert events[2]["event"] == "created" and len(events) == 3, events
	PYTHON
	"$FAR" rm k "$(printf 'k\377')"
}

# --- watchers that stop, and servers ---
anonymous_kb() { awk '/^RssAnon/ {print $2}' /proc/$server_pid/status; }
# It hears what had been told before, that there is a gap, and what comes behind. The server keeps a bounded part of it meanwhile, and others, watchers too, go on.
stopped_watcher() {
	local before after watcher
	begin w --json -- b
	watcher=$watch_pid
	begin other -- c
	kill -STOP "$watcher"
	before=$(anonymous_kb)
	# Long names: more than a socket's buffers keep, too.
	"$FAR" bench --load --keys=$((100000 / slower)) --sizes=64 --prefix="b/$(printf '%0120d' 0)" >"$temp/bench" || { cat "$temp/bench"; return 1; }
	after=$(anonymous_kb)
	echo "the server's memory: $before KiB, then $after KiB"
	[ $((after - before)) -lt 8192 ]
	echo value | "$FAR" put - c
	tells other 'created c'
	kill -CONT "$watcher"
	wait_until 300 grep -q '"event": "lost"' "$temp/w"
	wait_until 300 hears_again
	end "$watcher"
	end "$watch_pid"
	python3 - "$temp/w" $((100000 / slower)) <<-'PYTHON'
		import json, sys
		events = [json.loads(line) for line in open(sys.argv[1])]
		events = [event for event in events if "ready" not in event.get("key", "") and event.get("key") not in ("b", "b/again")]
		lost = sum(event["events"] for event in events if event["event"] == "lost")
		created = [event["key"] for event in events if event["event"] == "created"]
		assert lost > 0 and len(created) == len(set(created)), lost
		assert abs(lost + len(created) - int(sys.argv[2])) <= 3, (lost, len(created)) # the directory, and what told that it is ready
	PYTHON
}
hears_again() {
	"$FAR" put - b/again </dev/null
	grep -q '"key": "b/again"' "$temp/w"
}
server_is_away() {
	wait_until 300 grep -q 'waiting for it' "$temp/w.err"
}
server_is_back() {
	tells w 'lost 0'
	echo value | "$FAR" put - k
	tells w 'created k'
	[ "$(wc -l <"$temp/w.err")" -eq 1 ]
	kill -INT "$watch_pid"
	wait_until 100 gone "$watch_pid"
}

# --- ends and bounds ---
ends() {
	"$FAR" watch --timeout=0.2 k
	begin w --count=1 --
	wait $watch_pid
	[ "$(wc -l <"$temp/w")" -eq 1 ]
	fails 1 'watch: 0 of 1 events within 0.1 s' "$FAR" watch --timeout=0.1 --count=1 k
	begin w -- k
	kill -TERM $watch_pid
	wait $watch_pid
	"$FAR" repl <<<'watch --timeout=0.1 k'
}
wrong_arguments() {
	local wrong
	for wrong in --count=0 --count=x --timeout=0 --timeout=-1 --events= --events=created, --events=lost --events=x; do
		fails 2 "${wrong%%=*}" "$FAR" watch "$wrong" k
	done
	fails 1 'key' "$FAR" watch a//b
	fails 1 'key' "$FAR" watch k "$(printf '%0256d' 0)"
	# shellcheck disable=SC2046
	fails 1 'no more' "$FAR" watch $(seq 1025)
	fails 1 . "$FAR" --server="shm://$temp/none" watch k
}

check "what the command does is told, in order" command_is_told
check "what a mount does is told, in order" mount_is_told
check "writes that a mount would make by itself are told while they are watched" writes_in_place_are_told
check "two watchers: a key is no prefix of its neighbours' names" two_watchers
check "a directory that moves is told to who watches below it" ancestors_that_move_are_told
check "JSON, and the kinds that are asked for" json_and_kinds
check "a watch ends by its time, its count or a signal" ends
check "arguments that cannot be" wrong_arguments
check "a watcher that is stopped costs bounded memory, and hears that it lost events" stopped_watcher
stop_mount "$m"
begin w -- k
stop_server -KILL
check "a watch says that the server is away" server_is_away
start_server 256M
check "it goes on with the server, and says that events are lost" server_is_back
finish
