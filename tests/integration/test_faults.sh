#!/bin/bash
# Bad options, full pools, dead clients, dead servers.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 64M
mnt=$temp/mnt
start_mount "$mnt"
head -c 200M /dev/urandom >"$temp/large"

# --- a full pool ---
full_pool_put() {
	before=$(free_bytes)
	head -c 1M "$temp/large" >"$temp/old"
	"$FAR" put "$temp/old" keep
	fails any 'full' "$FAR" put "$temp/large" keep
	"$FAR" get keep | cmp - "$temp/old"
	fails any 'full' "$FAR" put "$temp/large" absent
	fails 4 'no such key' "$FAR" get absent
	"$FAR" rm keep
	wait_until 100 free_is "$before"
}
free_is() {
	local now
	now=$(free_bytes)
	echo "free: $now, at the start: $1"
	[ "$now" -eq "$1" ]
}
full_pool_write() {
	before=$(free_bytes)
	refuse cp "$temp/large" "$mnt/large" 2>"$temp/message"
	grep -q 'No space left' "$temp/message"
	size=$(stat -c %s "$mnt/large")
	[ "$size" -lt 67108864 ]
	cmp -n "$size" "$mnt/large" "$temp/large"
	refuse mkdir -p "$mnt/$(printf 'd%.0s/' $(seq 1000))" 2>/dev/null || true
	rm -rf "$mnt"/d "$mnt/large"
	wait_until 100 free_is "$before"
	echo fine >"$mnt/fine"
	[ "$(cat "$mnt/fine")" = fine ]
	rm "$mnt/fine"
}
many_small_until_full() {
	before=$(free_bytes)
	python3 - "$mnt" <<-'PYTHON'
		import errno, os, sys
		os.chdir(sys.argv[1]); os.mkdir("small"); n = 0
		try:
		    while n < 2000000:
		        with open(f"small/{n:0200d}", "wb") as f: f.write(b"x" * 4000)
		        n += 1
		except OSError as e:
		    assert e.errno == errno.ENOSPC, e
		assert n > 5000, n
		for name in os.listdir("small"):
		    assert os.path.getsize("small/" + name) in (0, 4000)
		for name in os.listdir("small"): os.unlink("small/" + name)
		os.rmdir("small")
	PYTHON
	wait_until 100 free_is "$before"
}

# --- a dead client ---
killed_put() {
	before=$(free_bytes)
	mkfifo "$temp/slow"
	"$FAR" put - killed <"$temp/slow" &
	victim=$!
	exec 6>"$temp/slow"
	head -c 20M "$temp/large" >&6
	sleep 0.3
	[ "$(free_bytes)" -lt "$before" ]
	kill -9 $victim
	exec 6>&-
	wait $victim || true
	fails 4 'no such key' "$FAR" get killed
	wait_until 100 free_is "$before"
}
killed_mount() {
	before=$(free_bytes)
	start_mount "$temp/doomed"
	head -c 5M "$temp/large" >"$temp/doomed/f"
	exec 5<"$temp/doomed/f"
	rm "$mnt/f"
	pkill -9 -f "far-fsd $address $temp/doomed"
	exec 5<&-
	umount -l "$temp/doomed"
	wait_until 100 free_is "$before"
}

# --- a dead server ---
server_dies() {
	kill -9 "$server_pid"
	begin=$SECONDS
	refuse timeout 30 cat "$mnt/old" 2>"$temp/message"
	refuse timeout 30 touch "$mnt/new" 2>>"$temp/message"
	refuse timeout 30 ls "$mnt" 2>>"$temp/message"
	cat "$temp/message"
	[ $((SECONDS - begin)) -le 25 ]
	grep -Eq 'Input/output error|not connected|Stale' "$temp/message"
	fails any 'cannot connect|cannot be reached|no server' "$FAR" ping -c 1
}
server_returns() {
	start_server 64M
	echo "$server_pid" >"$temp/server.pid"
	wait_until 100 ls "$mnt" >/dev/null
	refuse timeout 10 cat <&5 2>/dev/null
	[ ! -e "$mnt/old" ]
	echo new >"$mnt/new"
	[ "$("$FAR" get new)" = new ]
}

# --- bad set-up: one line that names the thing, and a status ---
server_refuses() {
	fails any 'in use|another process' "$FAR_SERVER" --pool 16M --listen "$address" --no-shm
	fails any 'pool' "$FAR_SERVER" --pool 1
	fails any 'pool' "$FAR_SERVER" --pool nonsense
	fails any 'memory|pool' "$FAR_SERVER" --pool 9T
	fails any 'no-such-option' "$FAR_SERVER" --no-such-option
	fails any 'address|listen' "$FAR_SERVER" --pool 16M --listen carrier-pigeon://x
	fails any 'nowhere.conf' "$FAR_SERVER" --config "$temp/nowhere.conf"
	echo 'pool = [what' >"$temp/bad.conf"
	fails any 'bad.conf|pool' "$FAR_SERVER" --config "$temp/bad.conf"
	echo 'colour = blue' >"$temp/unknown.conf"
	fails any 'colour' "$FAR_SERVER" --config "$temp/unknown.conf"
}
mount_refuses() {
	mkdir -p "$temp/full/x" "$temp/empty"
	touch "$temp/file"
	fails 32 'not empty' "$FAR_FSD" "$address" "$temp/full"
	fails 32 'not a directory' "$FAR_FSD" "$address" "$temp/file"
	fails 32 'make the directory' "$FAR_FSD" "$address" "$temp/missing"
	fails 1 'colour' "$FAR_FSD" "$address" "$temp/empty" -o colour=blue
	fails 1 'address' "$FAR_FSD"
	fails 32 'reach' "$FAR_FSD" "tcp://127.0.0.1:1" "$temp/empty"
	fails 32 'reach' "$FAR_FSD" "shm://$temp/no.sock" "$temp/empty"
}
no_device() {
	command -v unshare >/dev/null
	fails 32 '/dev/fuse' unshare -m bash -c "mount --make-rprivate / && mount -t tmpfs none /dev && '$FAR_FSD' '$address' '$temp/empty'"
}
far_refuses() {
	fails 2 'no-such-command' "$FAR" no-such-command
	fails any 'no-such-option' "$FAR" ls --no-such-option
	for key in 'a//b' 'a/../b' './a' "$(printf 'x%.0s' $(seq 256))" "$(printf 'y/%.0s' $(seq 2100))z"; do
		refuse "$FAR" put "$temp/file" "$key"
	done
}
helper() {
	ln -sf "$FAR_FSD" "$temp/mount.farfs"
	"$temp/mount.farfs" "$address" "$temp/empty" -o rw,_netdev,x-systemd.automount,noatime
	echo through >"$temp/empty/helper"
	[ "$("$FAR" get helper)" = through ]
	umount "$temp/empty"
	wait_until 50 ended "mount.farfs $address"
}
ended() { ! pgrep -f "$1" >/dev/null; }
terminates() {
	pid=$(cat "$temp/server.pid")
	kill -TERM "$pid"
	wait_until 50 ended_pid "$pid"
	tail -3 "$temp/server.log" | grep -q stopped
}
ended_pid() { ! kill -0 "$1"; }

check "a put that does not fit: ENOSPC, the old value stays, space comes back" full_pool_put
check "a write that does not fit: ENOSPC, what is there is right, space comes back" full_pool_write
check "small files until the pool is full" many_small_until_full
check "a client killed in the middle of a put leaves nothing" killed_put
check "a killed mount gives its holds back" killed_mount
check "far-server refuses bad set-ups in a line" server_refuses
check "far-fsd refuses bad set-ups in a line" mount_refuses
check "a missing /dev/fuse is named" no_device
check "far refuses bad commands and keys" far_refuses
check "mount.farfs takes fstab's options; umount ends it" helper
echo old >"$mnt/old"
exec 5<"$mnt/old"
check "a dead server is an error within a bounded time" server_dies
check "the mount works again once a server is back" server_returns
exec 5<&-
server_pid=$(cat "$temp/server.pid" 2>/dev/null)
check "SIGTERM ends the server cleanly" terminates
finish
