#!/bin/bash
# FUSE over io_uring: what goes by it, and what is known to go wrong with it. Over any provider; FARFS_TEST_RING=on mounts by it in the other suites, too (harness.sh).
. "$(dirname "$0")/harness.sh"
need_fuse
[ "$(cat $may_ring 2>/dev/null)" = Y ] || echo Y 2>/dev/null >$may_ring || skip_all "this kernel has no FUSE over io_uring, or we may not allow it"
ring=on
mnt=$temp/mnt
start_server 256M

status_of() { getfattr --only-values -n user.far.mount "$1" 2>/dev/null; }
channel_of() { status_of "$1" | sed -n 's/^channel //p'; }

goes_by_ring() {
	start_mount "$mnt"
	[ "$(channel_of "$mnt")" = ring ]
	head -c 5M /dev/urandom >"$temp/file"
	cp "$temp/file" "$mnt/file"
	cmp "$temp/file" "$mnt/file"
	dd if="$mnt/file" bs=1M iflag=direct status=none | cmp - "$temp/file"
	stop_mount "$mnt"
}
# Fewer threads than queues: each serves several.
with_threads() {
	for threads in 1 3 8; do
		start_mount "$mnt" "threads=$threads"
		[ "$(channel_of "$mnt")" = ring ]
		for cpu in $(seq 0 $(($(nproc) - 1))); do
			taskset -c "$cpu" cmp "$temp/file" "$mnt/file"
		done
		stop_mount "$mnt"
	done
}

# Each waits for a lock and keeps its entry of a queue meanwhile: many more than there are entries. Others go on, and all get it in the end.
many_waiters() {
	local waiters=() cpu=$(($(nproc) - 1))
	start_mount "$mnt"
	: >"$mnt/lock"
	exec 5>"$mnt/lock"
	flock 5
	for i in $(seq 100); do
		taskset -c "$cpu" timeout 60 flock "$mnt/lock" -c "echo $i >>'$mnt/had'" 5>&- &
		waiters+=($!)
	done
	wait_until 100 waiting 100
	timeout 10 taskset -c "$cpu" cmp "$temp/file" "$mnt/file"
	timeout 10 taskset -c "$cpu" ls -l "$mnt" >/dev/null
	exec 5>&-
	for pid in "${waiters[@]}"; do wait "$pid"; done
	[ "$(sort -n "$mnt/had" | tr '\n' ' ')" = "$(seq 100 | tr '\n' ' ')" ]
	stop_mount "$mnt"
}
waiting() { [ "$(status_of "$mnt" | awk '$1 == "messages.setlkw" {print $2}')" -ge "$1" ]; }

# While the daemon stands still, so all at once, by one queue: the kernel keeps those that find no entry of it free, and no request is answered there that would make it look at them again. (The
# shell has no file open there: each program that it starts would close it, and wait for the daemon.)
burst_of_waiters() {
	local cpu=$(($(nproc) - 1)) burst
	[ "$cpu" -gt 0 ] || return 0
	start_mount_process "$mnt"
	python3 - "$mnt/lock" "$cpu" "$temp/burst" >/dev/null <<'PYTHON' &
import fcntl, os, sys, threading, time
path, cpu, sign = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def say(what):
    open(f"{sign}.{what}", "w").close()
def wait_for(what):
    while not os.path.exists(f"{sign}.{what}"):
        time.sleep(0.01)
def wait_for_lock(file):
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.flock(file, fcntl.LOCK_UN)
os.sched_setaffinity(0, {cpu})
holder = os.open(path, os.O_RDWR | os.O_CREAT)
fcntl.flock(holder, fcntl.LOCK_EX)
threads = [threading.Thread(target=wait_for_lock, args=(os.open(path, os.O_RDWR),), daemon=True) for _ in range(60)]
say("ready")
wait_for("go")
for thread in threads:
    thread.start()
say("gone")
wait_for("release")
fcntl.flock(holder, fcntl.LOCK_UN)
for thread in threads:
    thread.join(20)
os._exit(any(thread.is_alive() for thread in threads))
PYTHON
	burst=$!
	wait_until 100 test -e "$temp/burst.ready"
	kill -STOP "$fsd_pid"
	touch "$temp/burst.go"
	wait_until 100 test -e "$temp/burst.gone" || true
	sleep 0.3
	kill -CONT "$fsd_pid"
	wait_until 50 waiting_elsewhere 60 || { touch "$temp/burst.release"; return 1; }
	touch "$temp/burst.release"
	wait "$burst"
	umount "$mnt"
	wait "$fsd_pid"
}
waiting_elsewhere() { [ "$(timeout 5 taskset -c 0 getfattr --only-values -n user.far.mount "$mnt" | awk '$1 == "messages.setlkw" {print $2}')" -ge "$1" ]; }

# The interruption comes by /dev/fuse, the answer by the ring, from a thread that is not the ring's.
interrupted_waiter() {
	start_mount "$mnt"
	exec 5>"$mnt/lock"
	flock 5
	for i in $(seq 20); do
		flock "$mnt/lock" true 5>&- &
		waiter=$!
		sleep 0.05
		kill -TERM $waiter
		wait_until 50 gone $waiter
		wait $waiter || true
	done
	exec 5>&-
	timeout 10 flock "$mnt/lock" true
	stop_mount "$mnt"
}

load() {
	touch "$mnt"/load-{1,2,3,4}
	for number in 1 2 3 4; do
		(while dd if="$mnt/file" of=/dev/null bs=4k iflag=direct && dd if=/dev/zero of="$mnt/load-$number" bs=64k count=100 conv=nocreat; do :; done >/dev/null 2>&1) &
		loads+=($!)
	done
}
# All of them end by an error, soon.
load_ends() {
	for pid in "${loads[@]}"; do
		wait_until 100 gone "$pid" || { echo "$pid hangs"; kill -9 "$pid"; return 1; }
	done
	loads=()
}
loads=()

daemon_killed() {
	for i in 1 2 3; do
		start_mount_process "$mnt"
		cmp "$temp/file" "$mnt/file"
		load
		sleep 0.3
		kill -9 "$fsd_pid"
		load_ends
		umount "$mnt"
	done
}
daemon_killed_with_waiters() {
	local waiters=()
	start_mount_process "$mnt"
	exec 5>"$mnt/lock"
	flock 5
	for i in $(seq 40); do
		flock "$mnt/lock" true 5>&- >/dev/null 2>&1 &
		waiters+=($!)
	done
	wait_until 100 waiting 40
	kill -9 "$fsd_pid"
	for pid in "${waiters[@]}"; do wait_until 50 gone "$pid" || { echo "$pid hangs: $(cat "/proc/$pid/stack")"; return 1; }; done
	exec 5>&-
	umount "$mnt"
}
daemon_ended_under_load() {
	for signal in TERM INT HUP; do
		start_mount_process "$mnt"
		load
		sleep 0.3
		kill -$signal "$fsd_pid"
		load_ends
		wait "$fsd_pid"
		refuse mountpoint -q "$mnt"
	done
}
unmounted_under_load() {
	for i in 1 2 3; do
		start_mount_process "$mnt"
		load
		sleep 0.3
		umount -f "$mnt" 2>/dev/null || umount -l "$mnt"
		kill -TERM "$fsd_pid" 2>/dev/null || true
		load_ends
		wait_until 50 gone "$fsd_pid"
	done
}
# Nobody serves the queues for a while: what is in them waits, and is served then.
suspended() {
	start_mount_process "$mnt"
	for i in 1 2 3; do
		kill -STOP "$fsd_pid"
		for number in $(seq 40); do
			cmp "$temp/file" "$mnt/file" &
			readers[number]=$!
		done
		sleep 0.3
		kill -CONT "$fsd_pid"
		for number in $(seq 40); do wait "${readers[number]}"; done
	done
	stop_mount "$mnt"
	wait "$fsd_pid"
}
readers=()

# Programs that change their processor while requests of theirs are under way.
moving() {
	start_mount "$mnt"
	for number in 1 2 3 4; do
		(for i in $(seq 30); do
			taskset -c $((i % $(nproc))) dd if="$temp/file" of="$mnt/moving-$number" bs=64k conv=notrunc status=none
			taskset -c $(((i + 1) % $(nproc))) cmp "$temp/file" "$mnt/moving-$number" || exit 1
		done) &
		readers[number]=$!
	done
	for number in 1 2 3 4; do wait "${readers[number]}"; done
	stop_mount "$mnt"
}

# Requests that come together travel together, where the server's memory is not mapped.
at_once() {
	start_mount "$mnt"
	for mode in randrw write; do
		fio --name=at-once --filename="$mnt/at-once" --size=16M --rw=$mode --bsrange=512-16k --bs_unaligned --ioengine=io_uring --iodepth=32 \
			--verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=7 --fallocate=none --minimal >/dev/null
		fio --name=at-once --filename="$mnt/at-once" --size=16M --rw=$mode --bs=4k --direct=1 --ioengine=io_uring --iodepth=32 \
			--verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=8 --fallocate=none --minimal >/dev/null
	done
	stop_mount "$mnt"
}
# Reads at the end of the file and behind it, in holes, and of small files, many at once.
at_once_odd() {
	start_mount "$mnt"
	python3 - "$mnt" <<-'PYTHON'
	import concurrent.futures, mmap, os, sys
	sizes = [0, 1, 100, 1024, 1025, 4095, 4096, 4097, 100000, 1 << 20]
	paths = [os.path.join(sys.argv[1], f"odd-{size}") for size in sizes]
	wanted = [os.urandom(size) for size in sizes]
	for path, content in zip(paths, wanted):
	    with open(path, "wb") as file:
	        file.write(content)
	sparse = os.path.join(sys.argv[1], "odd-sparse")
	with open(sparse, "wb") as file:
	    file.write(b"begin")
	    file.seek(300000)
	    file.write(b"end")
	    file.truncate(400000)
	paths.append(sparse)
	wanted.append(b"begin" + bytes(299995) + b"end" + bytes(99997))
	def look(number):
	    path, content = paths[number % len(paths)], wanted[number % len(paths)]
	    file = os.open(path, os.O_RDONLY | os.O_DIRECT)
	    try:
	        offset = (number * 4096) % (len(content) + 8192) // 4096 * 4096
	        buffer = mmap.mmap(-1, 8192)
	        got = os.preadv(file, [buffer], offset)
	        assert buffer[:got] == content[offset:offset + 8192], (path, offset, got)
	    finally:
	        os.close(file)
	with concurrent.futures.ThreadPoolExecutor(24) as pool:
	    list(pool.map(look, range(6000)))
	PYTHON
	stop_mount "$mnt"
}
# The server goes away under load: errors, no hanging; and the mount works again with the next one.
server_killed() {
	start_mount "$mnt"
	cp "$temp/file" "$mnt/file"
	loads=()
	for number in 1 2; do
		fio --name=load --filename="$mnt/fio-$number" --size=8M --rw=randrw --bs=4k --direct=1 --ioengine=io_uring --iodepth=16 --time_based --runtime=60 \
			--fallocate=none --minimal >/dev/null 2>&1 &
		loads+=($!)
	done
	sleep 1
	kill -9 "$server_pid"
	load_ends
}
another_server() {
	wait_until 100 cp "$temp/file" "$mnt/file"
	dd if="$mnt/file" bs=1M iflag=direct status=none | cmp - "$temp/file"
	stop_mount "$mnt"
}

# not_allowed COMMAND...: where the kernel's parameter says no. Mounts of other tests are copied there, too, and would not end as long as these do.
not_allowed() {
	echo N >"$temp/no"
	unshare --mount bash -c 'awk "\$3 == \"fuse.farfs\" {print \$2}" /proc/self/mounts | xargs -r umount -l; mount --bind "$1" "$2"; shift 2; "$@"' bash "$temp/no" $may_ring "$@"
}
falls_back() {
	mkdir -p "$temp/own"
	not_allowed bash -c '"$1" "$2" "$3" -o ring=auto && getfattr --only-values -n user.far.mount "$3" && cp "$4" "$3/fallen" && cmp "$4" "$3/fallen" && umount "$3"' \
		bash "$FAR_FSD" "$address" "$temp/own" "$temp/file" >"$temp/fallen" 2>&1 || { cat "$temp/fallen"; return 1; }
	grep -qx 'channel classic' "$temp/fallen"
}
refuses() {
	local status=0
	not_allowed timeout 20 "$FAR_FSD" "$address" "$temp/own" -o ring=on >"$temp/refused" 2>&1 || status=$?
	cat "$temp/refused"
	[ $status -eq 32 ]
	[ "$(wc -l <"$temp/refused")" -eq 1 ]
	grep -q 'enable_uring' "$temp/refused"
	refuse mountpoint -q "$temp/own"
}
bad_option() {
	local status=0
	"$FAR_FSD" "$address" "$mnt" -o ring=perhaps >"$temp/refused" 2>&1 || status=$?
	[ $status -eq 1 ]
	grep -q 'ring=perhaps: must be auto, on or off' "$temp/refused"
}

check "requests go by the ring" goes_by_ring
check "one, three and eight threads serve all queues" with_threads
check "a hundred waiters for a lock hold nobody up" many_waiters
check "sixty waiters come at once by one queue" burst_of_waiters
check "waiters are interrupted" interrupted_waiter
check "the daemon is killed under load" daemon_killed
check "the daemon is killed while locks are waited for" daemon_killed_with_waiters
check "the daemon is ended under load" daemon_ended_under_load
check "unmounted under load" unmounted_under_load
check "a suspended daemon goes on where it was" suspended
check "programs that move between processors" moving
if command -v fio >/dev/null; then
	check "requests that come together" at_once
else
	skip "requests that come together" "no fio here"
fi
check "odd reads that come together" at_once_odd
check "not allowed: requests go by /dev/fuse" falls_back
check "not allowed, but asked for: refused" refuses
check "an option that does not exist" bad_option
if command -v fio >/dev/null; then
	check "the server is killed under load" server_killed
	start_server 256M
	check "another server in its place" another_server
else
	skip "the server is killed under load" "no fio here"
fi
finish
