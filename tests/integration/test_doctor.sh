#!/bin/bash
# far doctor: over made-up machines, on this one, and against a server.
. "$(dirname "$0")/harness.sh"
start_server 128M

# --- a made-up machine: one RoCE port of 100 Gb/s, everything as it should be ---

# file PATH TEXT: below $root.
file() {
	mkdir -p "$root/$(dirname "$1")"
	printf '%s\n' "$2" >"$root/$1"
}

make_machine() {
	local port=sys/class/infiniband/mlx5_0/ports/1
	root=$temp/machine
	rm -rf "$root"
	file proc/sys/kernel/osrelease 6.14.0-1-amd64
	file proc/sys/kernel/io_uring_disabled 0
	file proc/sys/fs/fuse/max_pages_limit 256
	file proc/sys/net/core/rmem_max 212992
	file proc/sys/net/core/wmem_max 212992
	file proc/sys/net/ipv4/tcp_rmem "4096 131072 6291456"
	file proc/sys/net/ipv4/tcp_wmem "4096 16384 4194304"
	file proc/self/status "$(printf 'Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\nCpus_allowed_list:\t0-15')"
	set_limits unlimited 1048576
	file proc/self/cgroup 0::/user.slice/shell.scope
	file proc/meminfo "$(printf 'MemTotal:       65536000 kB\nMemFree:         1000000 kB\nMemAvailable:   60000000 kB')"
	file sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 1024
	file sys/kernel/mm/transparent_hugepage/shmem_enabled "always within_size advise [never] deny force"
	file sys/devices/system/node/node0/distance 10
	file sys/devices/system/node/node0/cpulist 0-15
	file sys/module/fuse/parameters/enable_uring Y
	file dev/fuse ''
	file usr/bin/fusermount3 ''
	chmod u+s "$root/usr/bin/fusermount3"
	file etc/fuse.conf user_allow_other
	mkdir -p "$root/sys/module/ib_uverbs" "$root/sys/module/rdma_cm" "$root/sys/module/rdma_ucm" "$root$FARFS_RUNTIME_DIR"
	file dev/infiniband/uverbs0 ''
	file dev/infiniband/rdma_cm ''
	file sys/class/infiniband_verbs/uverbs0/ibdev mlx5_0
	file sys/class/infiniband/mlx5_0/device/numa_node 0
	file $port/state '4: ACTIVE'
	file $port/phys_state '5: LinkUp'
	file $port/rate '100 Gb/sec (4X EDR)'
	file $port/link_layer Ethernet
	set_gid 0 fe80:0000:0000:0000:0a00:27ff:fe00:0001 'IB/RoCE v1'
	set_gid 1 fe80:0000:0000:0000:0a00:27ff:fe00:0001 'RoCE v2'
	set_gid 2 0000:0000:0000:0000:0000:ffff:0a09:0001 'IB/RoCE v1'
	set_gid 3 0000:0000:0000:0000:0000:ffff:0a09:0001 'RoCE v2'
	file $port/gids/4 0000:0000:0000:0000:0000:0000:0000:0000
	file sys/class/net/eth0/operstate up
	file sys/class/net/eth0/mtu 4200
}

set_gid() {
	file "sys/class/infiniband/mlx5_0/ports/1/gids/$1" "$2"
	file "sys/class/infiniband/mlx5_0/ports/1/gid_attrs/types/$1" "$3"
	file "sys/class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/$1" eth0
}

remove_gids() {
	rm -r "$root"/sys/class/infiniband/mlx5_0/ports/1/gid*
}

# set_limits MEMLOCK FILES
set_limits() {
	file proc/self/limits "$(printf '%-26s%-21s%-21s%s\n' Limit 'Soft Limit' 'Hard Limit' Units 'Max locked memory' "$1" "$1" bytes \
		'Max open files' "$2" "$2" files)"
}

# examine STATUS ARGUMENT...: the doctor's exit status must be that one; what it says is in $temp/said.
examine() {
	local want=$1 status=0
	shift
	PATH=/usr/bin:/bin FARFS_DOCTOR_ROOT=$root "$FAR" doctor "$@" >"$temp/said" 2>&1 || status=$?
	cat "$temp/said"
	[ $status -eq "$want" ]
}

# says LINE [ADVICE]: the line is there, and behind it the advice, or none.
says() {
	awk -v line="$1" -v advice="${2:+  -> $2}" '
		found { if (advice == "" ? $0 !~ /^  -> / : $0 == advice) good = 1; else print "then: " $0; found = 0; read = 1 }
		$0 == line { found = 1 }
		END { if (found && advice == "") good = 1; exit !good }' "$temp/said"
}

good_machine() {
	make_machine
	examine 0
	diff - "$temp/said" <<-TEXT
		RDMA
		ok    mlx5_0 port 1: ACTIVE, LinkUp, 100 Gb/sec (4X EDR), Ethernet
		ok    mlx5_0 port 1 interface: eth0 is up
		ok    mlx5_0 port 1 GID: index 3: RoCE v2 10.9.0.1
		ok    mlx5_0 port 1 MTU: 4096, eth0 has 4200
		ok    /dev/infiniband/uverbs0: can be opened
		ok    mlx5_0 NUMA node: 0, the only one
		ok    module ib_uverbs: there
		ok    module rdma_cm: there
		ok    module rdma_ucm: there
		ok    /dev/infiniband/rdma_cm: can be opened
		ok    locked memory: unlimited

		FUSE
		ok    /dev/fuse: can be opened
		ok    fusermount3: /usr/bin/fusermount3
		ok    kernel: 6.14.0-1-amd64
		ok    FUSE over io_uring: allowed (enable_uring=Y)
		ok    largest request: max_pages_limit 256
		ok    user_allow_other: set in /etc/fuse.conf

		Memory
		ok    memory: 57G of 62G available for a pool of 1.0G
		ok    hugepages: 1024 free, a pool takes 512
		ok    locked memory: unlimited
		ok    control group: no memory limit
		ok    NUMA: one node

		Shared memory and TCP
		ok    io_uring: allowed
		ok    open files: up to 1048576
		ok    runtime folder: $FARFS_RUNTIME_DIR can be written to
		ok    net.ipv4.tcp_rmem: grows to 6291456 (net.core.rmem_max 212992)
		ok    net.ipv4.tcp_wmem: grows to 4194304 (net.core.wmem_max 212992)
	TEXT
}

# --- RDMA ---

no_device() {
	make_machine
	rm -r "$root/sys/class/infiniband" "$root/sys/module/rdma_ucm"
	examine 0
	says 'note  devices: none, FarFS uses TCP and shared memory'
	refuse grep -q module "$temp/said"
	examine 1 rdma
	says 'fail  devices: none' 'if lspci shows an adapter, load its driver, like modprobe mlx5_ib; without one take Soft-RoCE: modprobe rdma_rxe && rdma link add rxe0 type rxe netdev INTERFACE'
	says 'fail  module rdma_ucm: not loaded: librdmacm cannot connect' 'modprobe rdma_ucm && echo rdma_ucm >>/etc/modules-load.d/farfs.conf'
}

link_down() {
	make_machine
	file sys/class/infiniband/mlx5_0/ports/1/state '1: DOWN'
	file sys/class/infiniband/mlx5_0/ports/1/phys_state '3: Disabled'
	examine 0
	says 'warn  mlx5_0 port 1: DOWN, Disabled: no port is up' \
		'ip link set dev eth0 up; if it stays down, look at cable, module and switch port: ethtool eth0'
	examine 1 rdma
	says 'fail  mlx5_0 port 1: DOWN, Disabled: no port is up' \
		'ip link set dev eth0 up; if it stays down, look at cable, module and switch port: ethtool eth0'
	refuse grep -q GID "$temp/said"
}

second_port_down() {
	make_machine
	cp -r "$root/sys/class/infiniband/mlx5_0/ports/1" "$root/sys/class/infiniband/mlx5_0/ports/2"
	file sys/class/infiniband/mlx5_0/ports/2/state '1: DOWN'
	examine 0 rdma
	says 'note  mlx5_0 port 2: DOWN, LinkUp: another port is up'
}

no_subnet_manager() {
	make_machine
	file sys/class/infiniband/mlx5_0/ports/1/state '2: INIT'
	file sys/class/infiniband/mlx5_0/ports/1/link_layer InfiniBand
	examine 1 rdma
	says 'fail  mlx5_0 port 1: INIT, LinkUp: no port is up' \
		'no subnet manager has set the port up: start one in the fabric, here or on a switch: systemctl enable --now opensm'
}

interface_down() {
	make_machine
	file sys/class/net/eth0/operstate down
	examine 1 rdma
	says 'fail  mlx5_0 port 1 interface: eth0 is down' 'ip link set dev eth0 up'
}

wrong_gids() {
	make_machine
	remove_gids
	set_gid 0 fe80:0000:0000:0000:0a00:27ff:fe00:0001 'IB/RoCE v1'
	examine 1 rdma
	says 'fail  mlx5_0 port 1 GID: index 0: IB/RoCE v1 fe80:0000:0000:0000:0a00:27ff:fe00:0001: RoCE v2 is needed' \
		'give the interface an address: ip addr add 10.0.0.1/24 dev eth0; if it has one, firmware or driver are too old for RoCE v2: ethtool -i eth0'
	set_gid 1 fe80:0000:0000:0000:0a00:27ff:fe00:0001 'RoCE v2'
	examine 0 rdma
	says 'warn  mlx5_0 port 1 GID: index 1: RoCE v2 fe80:0000:0000:0000:0a00:27ff:fe00:0001: link-local alone, which no address of a server leads to' \
		'give the interface an address: ip addr add 10.0.0.1/24 dev eth0'
	remove_gids
	file sys/class/infiniband/mlx5_0/ports/1/gids/0 fe80:0000:0000:0000:0000:0000:0000:0000
	mkdir -p "$root/sys/class/infiniband/mlx5_0/device/net/eth0"
	examine 1 rdma
	says 'fail  mlx5_0 port 1 GID: none: nothing can be addressed' 'ip link set dev eth0 up && ip addr add 10.0.0.1/24 dev eth0'
}

small_mtu() {
	local advice='for 4096 the interface needs 4192 or more, here, on the peer and on the switch between: ip link set dev eth0 mtu 4200'
	make_machine
	file sys/class/net/eth0/mtu 1500
	examine 0 rdma
	says 'note  mlx5_0 port 1 MTU: 1024, eth0 has 1500' "$advice"
	file sys/class/net/eth0/mtu 1000
	examine 0 rdma
	says 'warn  mlx5_0 port 1 MTU: 512, eth0 has 1000' "$advice"
}

device_file_missing() {
	make_machine
	rm "$root/dev/infiniband/uverbs0"
	examine 1 rdma
	says 'fail  /dev/infiniband/uverbs0: cannot be opened: No such file or directory' \
		'modprobe ib_uverbs rdma_ucm; in a container pass the device file in: --device /dev/infiniband/uverbs0'
}

built_in_modules() {
	make_machine
	rm -r "$root/sys/module/rdma_ucm"
	file lib/modules/6.14.0-1-amd64/modules.builtin kernel/drivers/infiniband/core/rdma-ucm.ko
	examine 0 rdma
	says 'ok    module rdma_ucm: there'
}

far_numa_node() {
	make_machine
	file sys/devices/system/node/node1/distance '21 10'
	file sys/devices/system/node/node1/cpulist 16-31
	file sys/class/infiniband/mlx5_0/device/numa_node 1
	examine 0 rdma memory
	says 'warn  mlx5_0 NUMA node: 1, with CPUs 16-31, but this process may run on 0-15 only' 'numactl --cpunodebind=1 --membind=1 far-server ...'
	grep -q '^note  NUMA: 2 nodes, the farthest at distance 21 (10 is near)$' "$temp/said"
}

low_memlock() {
	local advice="as root: ulimit -l unlimited; for good: echo '* - memlock unlimited' >/etc/security/limits.d/farfs.conf and log in again; for the service: LimitMEMLOCK=infinity by systemctl edit far-server"
	make_machine
	set_limits 8388608 1048576
	examine 1 rdma --pool 4G
	says 'fail  locked memory: 8.0M: RDMA registers 4.1G, the pool and 64 MiB for queues' "$advice"
	examine 0
	says 'warn  locked memory: 8.0M: RDMA registers 1.1G, the pool and 64 MiB for queues' "$advice"
	file proc/self/status "$(printf 'Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff')"
	examine 0 rdma
	says 'ok    locked memory: 8.0M, which does not bind this user (CAP_IPC_LOCK)'
}

# --- FUSE ---

no_fuse() {
	make_machine
	rm "$root/dev/fuse" "$root/usr/bin/fusermount3" "$root/etc/fuse.conf"
	rm -r "$root/sys/module/fuse"
	examine 1 fuse
	says 'fail  /dev/fuse: cannot be opened: No such file or directory' \
		'modprobe fuse && echo fuse >>/etc/modules-load.d/farfs.conf; in a container: --device /dev/fuse --cap-add SYS_ADMIN'
	says 'fail  fusermount3: not found: only root can mount' 'apt-get install fuse3'
	says 'note  user_allow_other: not set in /etc/fuse.conf: mounts of users are for themselves alone' \
		'if others are to see them, as root: echo user_allow_other >>/etc/fuse.conf, and mount with -o allow_other'
	examine 0 net
}

fuse_settings() {
	make_machine
	chmod u-s "$root/usr/bin/fusermount3"
	file sys/module/fuse/parameters/enable_uring N
	file proc/sys/fs/fuse/max_pages_limit 32
	file proc/sys/kernel/osrelease 5.10.0
	examine 1 fuse
	says 'fail  fusermount3: /usr/bin/fusermount3 is not setuid root: only root can mount' 'chown root /usr/bin/fusermount3 && chmod u+s /usr/bin/fusermount3'
	says 'note  FUSE over io_uring: off (enable_uring=N): mounts go by /dev/fuse' \
		"echo Y >/sys/module/fuse/parameters/enable_uring && echo 'options fuse enable_uring=Y' >/etc/modprobe.d/farfs.conf"
	says "warn  largest request: max_pages_limit 32: far-fsd's requests of 1 MiB need 256" \
		'sysctl -w fs.fuse.max_pages_limit=256 && echo fs.fuse.max_pages_limit=256 >>/etc/sysctl.d/farfs.conf'
	says 'warn  kernel: 5.10.0: FarFS is made for Linux 5.19 or newer' 'take a newer kernel, in Debian: apt-get install linux-image-amd64'
}

# --- memory ---

little_memory() {
	make_machine
	file proc/meminfo "$(printf 'MemTotal:       4194304 kB\nMemAvailable:   1048576 kB')"
	examine 0 memory --pool 2G
	says 'warn  memory: 1.0G of 4.0G available, less than a pool of 2.0G (unless its server runs already)' 'give the server a smaller pool: far-server --pool 819M'
	says 'warn  hugepages: 1024 free of the 1024 that a pool takes' '' && return 1
	examine 1 memory --pool 8G
	says 'fail  memory: 1.0G of 4.0G available, less than a pool of 8.0G (unless its server runs already)' 'give the server a smaller pool: far-server --pool 819M'
	says 'warn  hugepages: 1024 free of the 4096 that a pool takes, and no transparent ones (shmem_enabled=never): it gets pages of 4 KiB' \
		'sysctl -w vm.nr_hugepages=4096, or: echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled'
}

control_groups() {
	local advice='raise the limit (systemctl set-property UNIT MemoryMax=1280M, docker run --memory), or give far-server a smaller --pool'
	make_machine
	file sys/fs/cgroup/user.slice/shell.scope/memory.max max
	file sys/fs/cgroup/user.slice/memory.max 536870912
	examine 1 memory
	says 'fail  control group: memory limit 512M: a server started here is killed before its pool of 1.0G is full' "$advice"
	file proc/self/cgroup "$(printf '5:cpu:/\n4:memory:/box\n0::/')"
	file sys/fs/cgroup/memory/box/memory.limit_in_bytes 268435456
	examine 1 memory
	says 'fail  control group: memory limit 256M: a server started here is killed before its pool of 1.0G is full' "$advice"
	file sys/fs/cgroup/memory/box/memory.limit_in_bytes 9223372036854771712
	examine 0 memory
	says 'ok    control group: no memory limit'
}

# --- shared memory and TCP ---

net_settings() {
	make_machine
	file proc/sys/kernel/io_uring_disabled 2
	file proc/sys/net/ipv4/tcp_rmem "4096 131072 212992"
	set_limits unlimited 512
	rmdir "$root$FARFS_RUNTIME_DIR"
	file "${FARFS_RUNTIME_DIR#/}" 'no folder'
	examine 1 net
	says 'fail  io_uring: forbidden for all (kernel.io_uring_disabled=2): tcp:// does not work' \
		'sysctl -w kernel.io_uring_disabled=0 && echo kernel.io_uring_disabled=0 >>/etc/sysctl.d/farfs.conf'
	says 'warn  open files: up to 512: 1024 sessions of 67 connections need 68672' \
		'for many clients, as root: ulimit -n 68672; for the service: LimitNOFILE=68672 by systemctl edit far-server'
	says "fail  runtime folder: $FARFS_RUNTIME_DIR: Not a directory: no server can offer shared memory there" \
		'mkdir -p "$HOME/.farfs" && export FARFS_RUNTIME_DIR="$HOME/.farfs", for server and clients'
	says 'warn  net.ipv4.tcp_rmem: grows to 212992 only (net.core.rmem_max 212992): too little for a fast link to a far host' \
		"sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456' && echo net.ipv4.tcp_rmem=4096 131072 6291456 >>/etc/sysctl.d/farfs.conf"
}

empty_machine() {
	root=$temp/nothing
	mkdir -p "$root"
	examine 1
	root=$temp/there-is-none
	examine 1
}

as_json() {
	make_machine
	set_limits 8388608 1048576
	FARFS_DOCTOR_ROOT=$root "$FAR" doctor rdma --json >"$temp/json" && return 1
	python3 - "$temp/json" <<-'PYTHON'
		import json, sys
		found = json.load(open(sys.argv[1]))
		assert all(set(one) == {"group", "name", "status", "found", "advice"} for one in found), found
		assert {one["group"] for one in found} == {"rdma"}
		assert [one["name"] for one in found if one["status"] == "fail"] == ["locked memory"], found
		assert found[-1]["advice"].startswith("as root: ulimit -l unlimited"), found
	PYTHON
}

# --- this machine ---

this_machine() {
	local status=0
	"$FAR" doctor >"$temp/said" || status=$?
	cat "$temp/said"
	[ $status -le 1 ]
	[ "$(grep -cE '^(RDMA|FUSE|Memory|Shared memory and TCP)$' "$temp/said")" -eq 4 ]
	grep -Evq '^(ok  |note|warn|fail)  [^:]+: .|^  -> .|^$|^(RDMA|FUSE|Memory|Shared memory and TCP)$' "$temp/said" && return 1
	# What fails or could be better comes with advice.
	awk '/^(warn|fail)/ { if (waits) exit 1; waits = 1; next } /^  -> / { waits = 0; next } waits { bad = 1 } END { exit bad || waits }' "$temp/said"
	grep -q "^ok    server: answers at $address, by $provider$" "$temp/said"
	"$FAR" doctor --json | python3 -m json.tool >/dev/null || [ "${PIPESTATUS[0]}" -le 1 ]
}

wrong_usage() {
	fails 2 'far doctor: disk: give rdma, fuse, memory or net' "$FAR" doctor disk
	fails 2 'pool: 1: give 8M to 16T' "$FAR" doctor --pool 1
	fails 2 'threads: 65: give a number from 1 to 64' "$FAR" doctor --threads 65
	fails 2 'seconds: 0: give seconds above 0' "$FAR" doctor --seconds 0
	fails 1 'cannot connect' "$FAR" doctor --to tcp://127.0.0.1:1
}

# --- the self-test ---

measure_server() {
	local count
	"$FAR" doctor --to "$address" --seconds 0.1 --threads 2 | tee "$temp/said"
	count=$(grep -cE '^(ok  |warn)  (get of (64 B|4 KiB|64 KiB): [0-9.]+ us|(puts|gets) of 1 MiB, 2 at a time: [0-9]+ MB/s), expected [0-9.]+: ratio [0-9.]+$' "$temp/said")
	[ "$count" -eq 5 ]
	[ -z "$("$FAR" ls)" ] # nothing is left
}

measure_as_json() {
	"$FAR" doctor --to "$address" --seconds 0.1 --threads 2 --json >"$temp/json"
	python3 - "$temp/json" "$provider" <<-'PYTHON'
		import json, sys
		found = json.load(open(sys.argv[1]))
		assert found[0]["name"] == "link" and found[0]["found"].startswith(sys.argv[2] + " through "), found
		measured = [one for one in found if "measured" in one]
		assert [one["unit"] for one in measured] == ["us"] * 3 + ["MB/s"] * 2, found
		for one in measured:
		    ratio = one["measured"] / one["expected"] if one["unit"] == "MB/s" else one["expected"] / one["measured"]
		    assert abs(ratio - one["ratio"]) < 1e-6 * ratio and one["status"] == ("warn" if ratio < 0.5 else "ok"), one
		    assert bool(one["advice"]) == (one["status"] == "warn"), one
	PYTHON
}

# The interface's speed is the made-up machine's: 10^12 Mb/s, of which any network falls short, and 1 Mb/s.
slow_link() {
	make_machine
	file sys/class/net/lo/speed 1000000000000
	FARFS_DOCTOR_ROOT=$root "$FAR" doctor --to "$address" --seconds 0.1 --threads 2 >"$temp/said"
	cat "$temp/said"
	grep -Eq '^warn  gets of 1 MiB, 2 at a time: [0-9]+ MB/s, expected 117500000000: ratio 0.00$' "$temp/said"
	grep -Fxq '  -> is the machine busy? uptime. On one host shared memory is faster: far doctor --to localhost' "$temp/said"
	file sys/class/net/lo/speed 1
	FARFS_DOCTOR_ROOT=$root "$FAR" doctor --to "$address" --seconds 0.1 --threads 2 | grep -Eq '^ok    gets of 1 MiB, 2 at a time: [0-9]+ MB/s, expected 0: ratio '
}

busy_machine() {
	make_machine
	file proc/loadavg '4096.00 8.00 6.00 10/500 4000'
	FARFS_DOCTOR_ROOT=$root "$FAR" doctor --to "$address" --seconds 0.1 >"$temp/said"
	cat "$temp/said"
	grep -Eq '^warn  load: 4096.0 on [0-9]+ CPUs: what is measured now is too slow$' "$temp/said"
}

no_room() {
	local status=0
	"$FAR" doctor --to "$address" --threads 64 >"$temp/said" || status=$?
	cat "$temp/said"
	[ $status -eq 1 ]
	grep -Eq '^fail  server: its pool has [0-9]+ MiB free, the test needs 256 MiB$' "$temp/said"
}

interrupted() {
	local status=0
	timeout -s INT 3 "$FAR" doctor --to "$address" --seconds 20 >"$temp/said" || status=$?
	cat "$temp/said"
	[ $status -eq 124 ]
	grep -q 'interrupted$' "$temp/said"
	[ -z "$("$FAR" ls)" ]
}

# Of many small files, and the same for each provider.
if [ "$slower" -eq 1 ]; then
	check "a machine as it should be" good_machine
	check "no RDMA device matters only if RDMA is asked for" no_device
	check "a link that is down" link_down
	check "a second port that is down does not matter" second_port_down
	check "an InfiniBand port that waits for its subnet manager" no_subnet_manager
	check "an interface that is down" interface_down
	check "GIDs that do not serve" wrong_gids
	check "an MTU that is small" small_mtu
	check "a device file that is missing" device_file_missing
	check "modules that are built in" built_in_modules
	check "CPUs far from the adapter" far_numa_node
	check "too little locked memory" low_memlock
	check "no FUSE" no_fuse
	check "FUSE's settings" fuse_settings
	check "too little memory" little_memory
	check "control groups that limit memory" control_groups
	check "io_uring, descriptors, runtime folder and TCP buffers" net_settings
	check "a machine that tells nothing" empty_machine
	check "findings as JSON" as_json
fi
check "this machine" this_machine
check "wrong usage" wrong_usage
check "a server is measured, and left as it was" measure_server
check "measurements as JSON" measure_as_json
[ "$provider" != tcp ] || check "a link that gives less than its speed" slow_link
[ "$slower" -gt 1 ] || check "a machine that is busy" busy_machine
check "a pool without room for the test" no_room
check "an interrupted test leaves nothing" interrupted
finish
