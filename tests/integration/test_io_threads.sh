#!/bin/bash
# Several I/O threads: who serves which lane, what each needs of the others, and what is refused. That they keep to one writer is tests/linear/test_threads.sh.
. "$(dirname "$0")/harness.sh"
io_threads=3

# thread_cpus NAME: where the thread of that name may run.
thread_cpus() {
	local task
	for task in /proc/"$server_pid"/task/*; do
		[ "$(cat "$task/comm")" != "$1" ] || sed -n 's/^Cpus_allowed_list:\t//p' "$task/status"
	done
}

# lanes_of NUMBER: how many that I/O thread was given.
lanes_of() {
	grep -c "^debug lane opened .* io_thread=$1$" "$temp/server.log"
}

# Three clients one after the other: one for each.
lanes_go_round() {
	: >"$temp/server.log"
	start_server 16M --log-level debug
	grep '^info I/O threads serve io_threads=3$' "$temp/server.log"
	for number in 1 2 3; do
		echo "$number" | "$FAR" put - "from-$number"
	done
	for number in 0 1 2; do
		[ "$(lanes_of $number)" -eq 1 ]
	done
	# What one thread has stored the others have.
	for number in 1 2 3; do
		[ "$("$FAR" get from-1)" = 1 ]
	done
	stop_server
}

# Each on a CPU of its own, where there are enough.
threads_are_pinned() {
	local cpus first second
	first=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)
	second=$(sed -n 's/^Cpus_allowed_list:.*[^0-9]\([0-9]*\)$/\1/p' /proc/self/status)
	io_threads=2
	start_server 16M --cpu "$first,$second"
	grep -P "^Cpus_allowed_list:\t$first$" "/proc/$server_pid/status"
	[ "$(thread_cpus far-io-1)" = "$second" ]
	stop_server
	start_server 16M --cpu "$first"
	[ "$(thread_cpus far-io-1)" = "$first" ]
	"$FAR" ping -c 2
	stop_server
}

# A thread that sleeps hears of what another one's request has brought about for its lanes: one mount's lock is another one's wait. So many threads that the lanes of both are all on different ones.
sleepers_are_told() {
	io_threads=16
	start_server 64M
	start_mount "$temp/one"
	start_mount "$temp/two"
	: >"$temp/one/file"
	for _ in 1 2 3 4 5; do
		flock "$temp/one/file" -c "echo held >'$temp/held'; sleep 0.3" &
		wait_until 100 [ -s "$temp/held" ]
		timeout 20 flock "$temp/two/file" -c true
		wait $!
		rm "$temp/held"
	done
	umount "$temp/one" "$temp/two"
	wait_until 100 sessions_are 1
	stop_server
}

# sleeps_of NAME: how often the thread of that name has gone to sleep.
sleeps_of() {
	local task
	for task in /proc/"$server_pid"/task/*; do
		[ "$(cat "$task/comm")" = "$1" ] || continue
		sed -n 's/^voluntary_ctxt_switches:\t//p' "$task/status"
		return # a sanitizer's own thread has the process's name, too
	done
}

has_slept() {
	[ "$(sleeps_of far-server)" -ge "$1" ]
}

# Deadlines are any thread's to set and the first one's to keep: the others sleep on.
first_keeps_deadlines() {
	local first others
	start_server 16M
	for number in {1..40}; do
		echo value | "$FAR" put --ttl 5s - "key-$number"
	done
	first=$(sleeps_of far-server)
	others=$(($(sleeps_of far-io-1) + $(sleeps_of far-io-2)))
	wait_until 300 has_slept $((first + 30))
	others=$(($(sleeps_of far-io-1) + $(sleeps_of far-io-2) - others))
	[ $others -lt 20 ] || { echo "the others were woken $others times"; return 1; }
	wait_until 100 has_no_objects
	stop_server
}

has_no_objects() {
	[ "$("$FAR" df --json | json_field objects)" -eq 0 ]
}

speaks_to_first() {
	"$FAR" ping -c 1 && grep '^debug lane opened' "$temp/server.log" | tail -1 | grep 'io_thread=0$'
}

# One that is set on another thread's lane is swept at its time, too.
first_is_told_of_deadlines() {
	: >"$temp/server.log"
	start_server 16M --log-level debug
	echo value | "$FAR" put - brief
	wait_until 100 speaks_to_first
	mkfifo "$temp/typed"
	"$FAR" repl <"$temp/typed" >"$temp/answers" &
	exec 3>"$temp/typed"
	echo 'get brief' >&3 # the lane is there from then on
	wait_until 100 grep value "$temp/answers"
	grep '^debug lane opened' "$temp/server.log" | tail -1 | grep 'io_thread=1$'
	sleep 0.1
	echo 'expire brief 1s' >&3
	wait_until 50 asks_and_is_told_of_none
	exec 3>&-
	wait $!
	stop_server
}

# By the lane that is there.
asks_and_is_told_of_none() {
	echo 'df --json' >&3
	sleep 0.1
	grep -o '"objects": *[0-9]*' "$temp/answers" | tail -1 | grep '[^0-9]0$'
}

# Threads with clients in the middle of requests end with the server.
ends_under_load() {
	start_server 64M
	for number in 1 2 3 4; do
		"$FAR" bench --threads 2 --seconds 20 --sizes 64,64k --ops get:50+put:50 >/dev/null 2>&1 &
		clients[number]=$!
	done
	wait_until 100 has_sessions 4
	stop_server
	wait "${clients[@]}" || true
}

has_sessions() {
	[ "$("$FAR" df --json | json_field sessions)" -gt "$1" ]
}

refuses() {
	local status=$1 pattern=$2
	shift 2
	fails "$status" "$pattern" "$FAR_SERVER" --listen "shm://$temp/refused.sock" --pool 16M "$@"
}

wrong_numbers() {
	for wrong in 0 65 -1 two '' 1.5 99999999999999999999; do
		refuses 2 "^far-server: --io-threads: $wrong: give a number from 1 to 64, or auto$" --io-threads "$wrong"
	done
	printf 'io-threads = many\n' >"$temp/wrong.conf"
	refuses 1 ':1: io-threads: many: give a number' --config "$temp/wrong.conf"
}

# A rule decides: one on so few CPUs as a test has.
auto_is_one() {
	: >"$temp/server.log"
	io_threads=auto
	start_server 16M --cpu "$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)"
	refuse grep 'I/O threads serve' "$temp/server.log"
	[ -z "$(thread_cpus far-io-1)" ]
	"$FAR" ping -c 1
	stop_server
}

# Lanes that cannot be spread are served by one thread, and it is said.
one_serves_all() {
	: >"$temp/server.log"
	start_server 16M
	grep '^warning nothing that is listened on can be spread over I/O threads.* io_threads=3$' "$temp/server.log"
	[ -z "$(thread_cpus far-io-1)" ]
	"$FAR" ping -c 1
	stop_server
}

check "wrong numbers of I/O threads are refused" wrong_numbers
check "on few CPUs there is one" auto_is_one
if [ "$provider" != tcp ] || [ "$(uname -m)" != x86_64 ]; then
	check "one serves what cannot be spread" one_serves_all
	finish
fi
check "lanes go round" lanes_go_round
check "threads are pinned" threads_are_pinned
check "the first keeps deadlines" first_keeps_deadlines
check "the first is told of deadlines" first_is_told_of_deadlines
if [ -e /dev/fuse ]; then
	check "sleepers are told" sleepers_are_told
else
	skip "sleepers are told" "no /dev/fuse here"
fi
check "threads end under load" ends_under_load
finish
