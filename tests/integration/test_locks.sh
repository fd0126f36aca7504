#!/bin/bash
# Locks and what happens to mounts and servers, and programs that rely on locks. Which call does what is tests/posix/locks.py's.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 256M
a=$temp/a b=$temp/b
start_mount "$a"
start_mount "$b"
locked=$here/locked.py
touch "$a/f"

# begin NAME CASE FILE: runs a case of locked.py; its lines come by `line NAME`, and `go NAME` tells it to go on.
begin() {
	rm -f "$temp/$1.in" "$temp/$1.out"
	mkfifo "$temp/$1.in" "$temp/$1.out"
	timeout 120 python3 -B "$locked" "$2" "$3" <"$temp/$1.in" >"$temp/$1.out" &
	exec {to}>"$temp/$1.in" {from}<"$temp/$1.out"
	eval "$1_to=$to $1_from=$from $1_pid=$!"
}
line() {
	local fd=$1_from got=''
	read -r -t $((30 * slower)) got <&"${!fd}"
	echo "$1: $got"
	[ "$got" = "$2" ]
}
go() {
	local fd=$1_to
	echo go >&"${!fd}"
}
# drop NAME: it is to be over.
drop() {
	local to=$1_to from=$1_from pid=$1_pid
	eval "exec ${!to}>&- ${!from}<&-"
	wait "${!pid}"
	rm -f "$temp/$1.in" "$temp/$1.out"
}

has_no_records() {
	python3 -c 'import fcntl, sys; fcntl.lockf(open(sys.argv[1], "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)' "$1" 2>/dev/null
}

killed_mount() {
	local victim=$temp/victim
	start_mount_process "$victim"
	begin holder hold "$victim/f"
	line holder locked
	begin waiter wait "$a/f"
	line waiter waiting
	refuse flock -n "$b/f" true
	kill -9 $fsd_pid
	line waiter locked
	flock -w 10 "$b/f" true
	go waiter
	drop waiter
	umount -l "$victim"
	go holder
	drop holder || true
}
ended_mount_with_waits() {
	local leaving=$temp/leaving
	start_mount_process "$leaving"
	begin holder hold "$a/f"
	line holder locked
	begin waiter wait "$leaving/f"
	line waiter waiting
	sleep 0.3
	kill -TERM $fsd_pid
	wait_until 50 refuse mountpoint -q "$leaving" # its process is in the way of nothing
	[ ! -e "/proc/$fsd_pid" ] || wait_until 50 refuse kill -0 $fsd_pid
	read -r -t 20 answer <&$waiter_from # some error
	echo "$answer"
	[[ $answer = E* ]]
	drop waiter || true
	go holder
	drop holder
}
forced_unmount_with_waits() {
	local leaving=$temp/forced
	start_mount_process "$leaving"
	begin holder hold "$a/f"
	line holder locked
	begin waiter wait "$leaving/f"
	line waiter waiting
	sleep 0.3
	umount -f "$leaving" || umount -l "$leaving"
	read -r -t 20 answer <&$waiter_from
	[[ $answer = E* ]]
	drop waiter || true
	wait_until 50 refuse kill -0 $fsd_pid
	refuse has_no_records "$b/f"
	go holder
	drop holder
	has_no_records "$b/f"
}
local_locks() {
	local c=$temp/c d=$temp/d
	start_mount "$c" nolock
	start_mount "$d" local_lock=flock
	begin holder hold "$a/f"
	line holder locked
	begin other hold "$c/f"
	line other locked
	flock -n "$d/f" true
	refuse timeout 1 python3 -B "$locked" hold "$d/f" </dev/null
	refuse flock -n "$c/f" true # among its own it does exclude
	go holder
	drop holder
	go other
	drop other
	umount "$c" "$d"
	fails 1 'local_lock=some: must be none, flock, posix or all' "$FAR_FSD" "$address" "$c" -o local_lock=some
}
flock_command() {
	local i
	for i in $(seq $((20 / slower + 1))); do
		flock -n "$a/f" true # what the one before had is free
	done
	flock "$a/f" sleep 2 &
	sleep 0.3
	refuse flock -n "$b/f" true
	refuse flock -w 0.3 "$b/f" true
	refuse flock -n "$a/f" true
	flock -w 20 "$b/f" true
	wait $!
}
# writers MODE COUNT MOUNT...: each mount's writer adds COUNT entries.
database() {
	local mode=$1 count=$(($2 / slower + 1)) number=0 pids='' pid
	shift 2
	rm -f "$a/$mode.db"*
	python3 -B "$locked" prepare "$a/$mode.db" "$mode"
	for mount in "$@"; do
		number=$((number + 1))
		timeout 120 python3 -B "$locked" insert "$mount/$mode.db" "w$number" "$count" &
		pids+=" $!"
	done
	for pid in $pids; do wait "$pid"; done
	python3 -B "$locked" verify "$b/$mode.db" $((count * number))
}
stressors() {
	cd "$a"
	timeout 120 stress-ng --temp-path "$a" --verify --timeout 3 --flock 2 --lockf 2 --lockofd 2
	cd /
}
# connections PID: the ports of the daemon's connections to the server, in the order in which they were made. cut PORT...: breaks them.
connections() {
	ss -Htnp state established "dport = :${address##*:}" | grep "pid=$1," | sed 's/.*fd=\([0-9]*\).*/\1 &/' | sort -n | awk '{print $4}' | sed 's/.*://'
}
cut() {
	local port
	for port in "$@"; do
		ss -K dst 127.0.0.1 "sport = :$port" >/dev/null 2>&1
	done
}
can_cut() {
	local port
	port=$(connections "$1" | tail -1)
	cut "$port"
	[ -n "$port" ] && refuse grep -qx "$port" <(connections "$1")
}
broken_connections() {
	begin holder hold "$a/f"
	line holder locked
	begin waiter wait "$cut_off/f"
	line waiter waiting
	sleep 0.3
	$1
	sleep 0.5
	go holder
	drop holder
	line waiter locked
	refuse has_no_records "$b/f"
	go waiter
	drop waiter
	has_no_records "$b/f"
}
# The newest connection is the one that takes notices.
cut_notices() { cut "$(connections $fsd_pid | tail -1)"; }
cut_all() {
	local ports
	mapfile -t ports < <(connections $fsd_pid)
	cut "${ports[@]}"
}
# A thread that notices it at once may be back before the others are gone: then the session goes on.
loses_all() {
	cut_all
	sleep 0.2
	flock -n "$b/f" true
}
ended_session() {
	begin loser outlive "$cut_off/f"
	line loser locked
	refuse flock -n "$b/f" true
	wait_until 50 loses_all
	go loser
	line loser again
	drop loser
}
stopped_server() {
	begin holder hold "$a/f"
	line holder locked
	begin waiter wait "$b/f"
	line waiter waiting
	sleep 0.3
	kill -9 "$server_pid"
	read -r -t 30 answer <&$waiter_from
	echo "$answer"
	[[ $answer = E* ]]
	drop waiter
	go holder
	drop holder
}
lost_locks() {
	go loser
	line loser lost
}

check "a mount that is killed leaves its locks to others" killed_mount
check "a mount ends by SIGTERM while processes wait for locks in it" ended_mount_with_waits
check "so it does by umount -f" forced_unmount_with_waits
check "-o nolock and local_lock leave locks to the kernel, mount by mount" local_locks
check "the flock command: at once, with a limit, and waiting" flock_command
check "SQLite: two mounts write a database with a rollback journal" database delete 40 "$a" "$b" "$a" "$b"
check "SQLite: four processes of one mount write a database with a write-ahead log" database wal 40 "$a" "$a" "$a" "$a"
if command -v stress-ng >/dev/null; then
	check "stress-ng's lock stressors find nothing wrong" stressors
else
	skip "stress-ng's lock stressors find nothing wrong" "no stress-ng here"
fi
cut_off=$temp/cut-off
start_mount_process "$cut_off"
if [ "$provider" = tcp ] && can_cut $fsd_pid; then
	check "who waits goes on when the connection for notices breaks" broken_connections cut_notices
	check "and when all connections break, and with them the session" broken_connections cut_all
	check "locks of a session that has ended are lost, and that is said" ended_session
else
	skip "who waits goes on when connections break" "only TCP connections can be broken from outside (ss -K)"
fi
touch "$a/g"
begin loser lose "$a/g"
line loser locked >/dev/null
check "a server that ends ends the waits, with an error" stopped_server
wait "$server_pid" 2>/dev/null
start_server 256M
check "locks that were lost with the server's session are said to be" lost_locks
drop loser
finish
