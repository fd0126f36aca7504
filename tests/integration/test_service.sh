#!/bin/bash
# far-server as a service: what it needs of the process it runs in.
. "$(dirname "$0")/harness.sh"

# limited SOFT HARD COMMAND...: runs it with these limits of open descriptors.
limited() {
	ulimit -Sn "$1" && ulimit -Hn "$2" || return
	shift 2
	"$@"
}

# soft_limit PID: how many descriptors the process may open.
soft_limit() {
	awk '/^Max open files/ {print $4}' "/proc/$1/limits"
}

# With a low soft limit the server still has room for many lanes.
raises_descriptors() {
	hard=$(ulimit -Hn)
	limited 64 "$hard" start_server 16M
	[ "$(soft_limit "$server_pid")" = "$hard" ]
	stop_server
}

# Too low a hard limit is told, and is no reason not to serve.
warns_of_few_descriptors() {
	: >"$temp/server.log"
	limited 64 128 start_server 16M
	[ "$(soft_limit "$server_pid")" = 128 ]
	grep -E '^warning .*descriptors.* limit=128 needed=[0-9]+$' "$temp/server.log"
	"$FAR" ping -c 1
	stop_server
}

# What the build installs, in a folder of the test: the unit names a program that is there, and systemd finds nothing to complain of.
unit_is_valid() {
	DESTDIR=$temp/root meson install -C "$FARFS_BUILD" --no-rebuild --quiet
	unit=$(find "$temp/root" -name far-server.service)
	sed -i "s|^ExecStart=|&$temp/root|" "$unit"
	[ -x "$(sed -n 's/^ExecStart=//p' "$unit")" ]
	systemd-analyze verify --man=no "$unit" >"$temp/verify" 2>&1
	refuse grep far-server "$temp/verify" # warnings leave the status at 0; those of other units are not ours
}

tells_systemd() {
	case $provider in
	shm) listen=shm://$temp/notified.sock ;;
	*) listen=tcp://127.0.0.1:0 ;;
	esac
	python3 "$here/notified.py" "$FAR_SERVER" "$FAR" "$listen"
}

# The sample with all its defaults written out, but for the port, which may be taken.
sample_is_accepted() {
	sed 's/^#\([a-z-]* = \)/\1/; s/:7440$/:0/' "$here/../../server/server.conf" >"$temp/server.conf"
	grep '^eager-limit = ' "$temp/server.conf"
	start_server 16M --config "$temp/server.conf"
	"$FAR" ping -c 1
	stop_server
}

# The last CPU that this test may use itself, whose node is mostly the only one.
last_cpu() {
	sed -n 's/^Cpus_allowed_list:.*[^0-9]\([0-9]*\)$/\1/p' /proc/self/status
}

is_pinned() {
	: >"$temp/server.log"
	start_server 16M --cpu "$(last_cpu)"
	grep "^info pinned cpus=$(last_cpu)$" "$temp/server.log"
	grep -P "^Cpus_allowed_list:\t$(last_cpu)$" "/proc/$server_pid/status"
	"$FAR" ping -c 1
	stop_server
}

# refuses STATUS PATTERN OPTION...: the server does not start, and says this.
refuses() {
	local status=$1 pattern=$2
	shift 2
	fails "$status" "$pattern" "$FAR_SERVER" --listen "shm://$temp/refused.sock" --pool 16M "$@"
}

wrong_cpus() {
	for list in '' - 1- 3-1 0,,1 0x1 99999; do
		refuses 2 '^far-server: --cpu: .*such as 2 or 0-3,8' --cpu "$list"
	done
	refuses 1 '^far-server: --cpu: CPU 1023 is not there, or not for this process: choose from [0-9,-]+$' --cpu 1023
	printf 'cpu = two\n' >"$temp/wrong.conf"
	refuses 1 ':1: cpu: two: give numbers' --config "$temp/wrong.conf"
}

is_bound() {
	: >"$temp/server.log"
	start_server 16M --numa "$node"
	grep "backing=\".*, on NUMA node $node\"" "$temp/server.log"
	# What the kernel says of the mapping: pages of that node alone.
	echo value | "$FAR" put - key
	grep "^[0-9a-f]* bind:$node .*farfs-pool.* N$node=" "/proc/$server_pid/numa_maps"
	stop_server
}

wrong_nodes() {
	for node in '' -1 first 1.5 1024; do
		refuses 2 '^far-server: --numa: .*: give the number of a NUMA node, auto or any$' --numa "$node"
	done
	refuses 1 'NUMA node(s:| 1023 with memory: choose from [0-9])' --numa 1023
}

wrong_hugepages() {
	for wrong in yes try: try:4M require:1 never:2M :1G try:1Gx; do
		refuses 2 "^far-server: --hugepages: $wrong: give try, require or never, and .*try:1G" --hugepages "$wrong"
	done
}

# free_pages KIB: how many hugepages of that size are free.
free_pages() {
	cat "/sys/kernel/mm/hugepages/hugepages-$1kB/free_hugepages" || echo 0
}

# Insisting fails where there are none, and says how to get them; nothing else changes.
too_few_hugepages() {
	refuses 1 'the pool is no multiple of 1 GiB: choose another --pool, or use --hugepages try$' --hugepages require:1G
	refuses 1 '[0-9]+ of [0-9]+ hugepages of 2 MiB free: raise vm.nr_hugepages, or use --hugepages try$' --hugepages require --pool $((2 * ($(free_pages 2048) + 8)))M
	refuses 1 '[0-9]+ of [0-9]+ hugepages of 1 GiB free: reserve some on the kernel.*hugepagesz=1G' --hugepages require:1G --pool $(($(free_pages 1048576) + 1))G
}

# Asked for and not there, all that comes behind is tried, and told.
falls_back() {
	: >"$temp/server.log"
	start_server 16M --hugepages try:1G
	grep -E 'backing="(2 MiB hugepages|.*the pool is no multiple of 1 GiB; [0-9]+ of [0-9]+ hugepages of 2 MiB free)' "$temp/server.log"
	stop_server
}

check "the limit of open descriptors is raised" raises_descriptors
check "a low hard limit of descriptors is warned of" warns_of_few_descriptors
if [ -z "${FARFS_BUILD:-}" ] || ! type -p systemd-analyze meson >/dev/null; then
	skip "the installed unit is valid" "needs systemd-analyze, meson and a build folder"
else
	check "the installed unit is valid" unit_is_valid
fi
check "systemd is told of readiness and of the end" tells_systemd
check "the sample configuration is accepted" sample_is_accepted
check "the server is pinned" is_pinned
check "CPUs that are none or not there are refused" wrong_cpus
mbind=$(case $(uname -m) in x86_64) echo 237 ;; *) echo 235 ;; esac)
node=$(sed -n 's/^\([0-9]*\).*/\1/p' /sys/devices/system/node/has_memory 2>/dev/null)
if [ -z "$node" ] || [ ! -r /proc/self/numa_maps ]; then
	skip "the pool is bound to a NUMA node" "the kernel knows no nodes"
elif ! python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(int(sys.argv[1]), 0, 0, 0, 0, 0, 0) != 0)' "$mbind"; then
	skip "the pool is bound to a NUMA node" "mbind is not allowed here"
else
	check "the pool is bound to a NUMA node" is_bound
fi
check "nodes that are none or not there are refused" wrong_nodes
check "hugepages of other sizes are refused" wrong_hugepages
check "too few hugepages are told" too_few_hugepages
check "hugepages that are not there are done without" falls_back
finish
