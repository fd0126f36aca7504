#!/bin/bash
# Storms of renames from two mounts, and clients that are killed in the midst of all sorts of things: the server's structures stay whole, and everything is given back.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 256M
seconds=${FARFS_STORM_SECONDS:-$((slower > 1 ? 20 : 6))}
first=$temp/first second=$temp/second
free_at_start=$(free_bytes)

# checks_until PROCESS FILE: far fsck again and again while the process lives; how often goes to the file.
checks_until() {
	local checks=0
	while kill -0 "$1" 2>/dev/null; do
		is_consistent || return 1
		checks=$((checks + 1))
		sleep 0.2
	done
	echo $checks >"$2"
}

storm_of_renames() {
	python3 -B "$here/storms.py" storm "$seconds" 1 "$first" "$second" &
	local storm=$!
	checks_until $storm "$temp/checks"
	wait $storm
	[ "$(cat "$temp/checks")" -ge 2 ]
	is_consistent
}

both_show_the_same() {
	python3 -B "$here/storms.py" walk "$first" >"$temp/tree1"
	python3 -B "$here/storms.py" walk "$second" >"$temp/tree2"
	diff "$temp/tree1" "$temp/tree2" >"$temp/differ" || { head -20 "$temp/differ"; return 1; }
	wc -l <"$temp/tree1"
}

folders_that_swap() {
	python3 -B "$here/storms.py" swap 2 "$first" "$second"
}

names_that_stay() {
	python3 -B "$here/storms.py" there 3 "$first" "$second"
	rm -r "$first/there"
}

# kill_mount PROCESS DIRECTORY: who works there goes on in the directory beneath, so it is not mounted on again.
kill_mount() {
	kill -9 "$1"
	umount -l "$2"
	wait "$1" 2>/dev/null || true
}

storm_with_killed_mounts() {
	local round storm third
	for round in 1 2 3; do
		third=$temp/third-$round
		start_mount_process "$third"
		python3 -B "$here/storms.py" storm $((seconds / 2 + 1)) $((round + 1)) "$first" "$third" 2>/dev/null &
		storm=$!
		sleep 1
		kill_mount $fsd_pid "$third"
		is_consistent
		wait $storm || true # those of the killed mount fail
		wait_until 50 sessions_are 3
		is_consistent
	done
}

# In a folder of its own, killed whole.
held_by_killed_mount() {
	local before after holder third=$temp/holding
	before=$(settled_free_bytes)
	start_mount_process "$third"
	python3 -B "$here/storms.py" hold "$third/held" 20 >"$temp/holder" &
	holder=$!
	wait_until 100 grep -q ready "$temp/holder"
	is_consistent
	kill_mount $fsd_pid "$third"
	kill -9 $holder
	wait $holder 2>/dev/null || true
	wait_until 50 sessions_are 3
	is_consistent
	rm -r "$first/held"
	after=$(settled_free_bytes)
	echo "free: $before before, $after after"
	[ "$before" -eq "$after" ]
}

# The mounts hold what the kernel remembers; what it forgets is told in batches.
settled_free_bytes() {
	local last now
	sync -f "$first"
	echo 2 >/proc/sys/vm/drop_caches
	now=$(free_bytes)
	for _ in $(seq 20); do
		sleep 0.1
		last=$now now=$(free_bytes)
		[ "$now" != "$last" ] || break
	done
	echo "$now"
}

killed_uploads() {
	local before after number processes=()
	before=$(settled_free_bytes)
	for number in 1 2 3 4; do
		"$FAR" put --quiet - "upload-$number" < <(head -c $((number * 3000000)) /dev/zero; exec sleep 20 2>&-) &
		processes+=($!)
	done
	sleep 1
	is_consistent
	[ "$(free_bytes)" -lt "$before" ] # they are under way
	kill -9 "${processes[@]}"
	wait "${processes[@]}" 2>/dev/null || true
	wait_until 50 sessions_are 3
	is_consistent
	refuse "$FAR" stat upload-1
	after=$(settled_free_bytes)
	echo "free: $before before, $after after"
	[ "$before" -eq "$after" ]
}

all_is_given_back() {
	rm -rf "$first"/*
	[ -z "$(ls -A "$second")" ]
	stop_mount "$second" 2
	stop_mount "$first" 1
	is_consistent
	echo "free: $free_at_start at the start, $(free_bytes) now"
	[ "$(free_bytes)" -eq "$free_at_start" ]
}

start_mount "$first"
start_mount "$second"
check "renames, exchanges, links and removals by two mounts at once, checked meanwhile" storm_of_renames
check "both mounts show the same tree" both_show_the_same
check "of two folders that change places by one mount, one is removed by the other, and only that one" folders_that_swap
check "names that are always there are always found, and others never, while the table of names grows and shrinks" names_that_stay
check "mounts killed in the storm" storm_with_killed_mounts
check "a killed mount's open files, unlinked ones and half-written ones too, are given back" held_by_killed_mount
check "killed uploads are given back" killed_uploads
check "the tree can be removed, and the memory is what it was" all_is_given_back
finish
