#!/bin/bash
# What each operation of the data path costs in round trips, work of the device and the server's processor, counted (docs/data-path.md). By libfar first, then through a mount.
. "$(dirname "$0")/harness.sh"
: "${FAR_TEST_DATA_PATH:=$here/../../build/tests/integration/test_data_path}"
mnt=$temp/mnt

run_counts() {
	FARFS_TEST_SERVER_PID=$server_pid "$FAR_TEST_DATA_PATH" "$@" 2>&1 | tee "$temp/counts.$BASHPID"
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

# device DEVICE COUNTER
device() {
	cat "/sys/class/infiniband/$1/ports/1/hw_counters/$2"
}

not_ready() {
	echo $(($(device rxe0 rcvd_rnr_err) + $(device rxe0 send_rnr_err) + $(device rxe1 rcvd_rnr_err) + $(device rxe1 send_rnr_err)))
}

# Nobody was ever told to try again later, in all of the machine's life.
never_not_ready() {
	echo "not ready: $(not_ready)"
	[ "$(not_ready)" -eq 0 ]
}

handled() {
	"$FAR" df --json | json_field operations
}

# Until the server sleeps: its processor time stands still, three looks long (one alone may be that it gets no processor).
processor_ns() {
	local before='' now same=0
	for _ in $(seq 50); do
		now=$(awk '{sum += $1} END {printf "%.0f", sum}' "/proc/$server_pid"/task/*/schedstat)
		if [ "$now" = "$before" ]; then same=$((same + 1)); else same=0; fi
		[ $same -lt 2 ] || break
		before=$now
		sleep 0.1
	done
	echo "$now"
}

# through_mount NAME HANDLERS COMMAND...: the server handles HANDLERS requests for all that the command does; sets used to its processor time.
through_mount() {
	local name=$1 expected=$2 asking before after cpu
	shift 2
	# What asking costs by itself.
	before=$(handled)
	asking=$(($(handled) - before))
	before=$(handled)
	cpu=$(processor_ns)
	"$@" || return 1
	used=$(($(processor_ns) - cpu))
	after=$(handled)
	echo "COST $provider mount: $name: handlers=$((after - before - asking)) server_ns=$used"
	[ $((after - before - asking)) -eq "$expected" ]
}

# read_often FLAG: opens the file once and reads it 1000 times.
read_often() {
	python3 - "$mnt/file" "$1" <<'PYTHON'
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDONLY | getattr(os, sys.argv[2]))
buffer = mmap.mmap(-1, 4096)
for i in range(1000):
    assert os.preadv(file, [buffer], i * 7919 % 256 * 4096) == 4096
PYTHON
}

cat_all() {
	local i
	for i in $(seq 100); do
		read -r line <"$mnt/small-$i" && [ "$line" = "small $i" ] || return 1
	done
}

# Opening asks for the name. Reads, and the attributes that the kernel wants before those through its cache, do not ask. The first one since the file was written moves its access time: a
# message without a reply.
# Messages for looking up a name that is known to the kernel: in shared memory it is found without asking.
look_up=$([ "$provider" = shm ] && echo 0 || echo 1)

mount_reads() {
	through_mount "open, 1000 reads of 4096 bytes of a file just written, O_DIRECT" 2 read_often O_DIRECT
	through_mount "open, 1000 reads of 4096 bytes, O_DIRECT" "$look_up" read_often O_DIRECT
	through_mount "open, 1000 reads of 4096 bytes" "$look_up" read_often O_CLOEXEC
}

mount_cats() {
	local i
	for i in $(seq 100); do
		echo "small $i" | "$FAR" put - "small-$i"
	done
	through_mount "first cat of 100 small files" 200 cat_all
	through_mount "cat of 100 small files" $((100 * look_up)) cat_all
}

# Of a server that only pushed: each of its doorbells was for a message, so none was for a push alone. Only to take a used-up grant back it rings by itself.
pushes_by_one_doorbell() {
	local closed
	closed=$(grep -o "network closed provider=$provider .*" "$temp/server.log")
	echo "COST $closed"
	[[ $closed =~ sends=([0-9]+)\ .*writes=([0-9]+)\ controls=([0-9]+)\ doorbells=([0-9]+) ]]
	[ "${BASH_REMATCH[2]}" -ge 60 ]
	[ "${BASH_REMATCH[4]}" -le $((BASH_REMATCH[1] + BASH_REMATCH[3] + 4)) ]
}

if [ "$provider" = rdma ]; then
	start_server 512M
	check "large values are pushed" run_counts 'test_get__large*'
	stop_server
	check "each push goes out with its reply, by one doorbell" pushes_by_one_doorbell
fi
start_server 512M
check "by libfar" run_counts '*' 'test_probe*'
if [ "$provider" = tcp ]; then
	skip "files of a mount are read without a request" "tcp asks for attributes by request"
elif [ -e /dev/fuse ]; then
	start_mount "$mnt" threads=1
	head -c 1M /dev/urandom >"$mnt/file"
	check "files of a mount are read without a request" mount_reads
	check "cat of a small file is one request at most, the first one and a message that moves its access time" mount_cats
	stop_mount "$mnt"
else
	skip "files of a mount are read without a request" "no /dev/fuse here"
fi
stop_server
start_server 512M --probing always
check "by libfar, with a server that wants to be probed" run_counts 'test_probe*'
[ "$provider" != rdma ] || check "no device said that it was not ready" never_not_ready
finish
