#!/bin/bash
# Bad options, full pools, dead clients, dead servers.
. "$(dirname "$0")/harness.sh"
need_fuse
pool=$((slower > 1 ? 32 : 64)) # MiB
start_server ${pool}M
mnt=$temp/mnt
start_mount "$mnt"
head -c $((pool * 3))M /dev/urandom >"$temp/large"

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
	[ "$size" -lt $((pool << 20)) ]
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
	# The rest is enough where each file takes long.
	[ "$slower" -eq 1 ] || head -c $((pool / 2))M "$temp/large" | "$FAR" put - filler
	python3 - "$mnt" $((slower > 1 ? pool / 4 : pool)) <<-'PYTHON'
		import errno, os, sys
		os.chdir(sys.argv[1]); os.mkdir("small"); n = 0
		try:
		    while n < 2000000:
		        with open(f"small/{n:0200d}", "wb") as f: f.write(b"x" * 4000)
		        n += 1
		except OSError as e:
		    assert e.errno == errno.ENOSPC, e
		assert n > int(sys.argv[2]) * 78, n
		for name in os.listdir("small"):
		    assert os.path.getsize("small/" + name) in (0, 4000)
		for name in os.listdir("small"): os.unlink("small/" + name)
		os.rmdir("small")
	PYTHON
	"$FAR" rm -f filler
	wait_until 100 free_is "$before"
}

# --- a dead client ---
killed_put() {
	before=$(free_bytes)
	mkfifo "$temp/slow"
	"$FAR" put - killed <"$temp/slow" &
	victim=$!
	exec 6>"$temp/slow"
	head -c $((pool / 3))M "$temp/large" >&6
	wait_until 20 is_less_than "$before"
	kill -9 $victim
	exec 6>&-
	wait $victim || true
	fails 4 'no such key' "$FAR" get killed
	wait_until 100 free_is "$before"
}
is_less_than() { [ "$(free_bytes)" -lt "$1" ]; }
killed_mount() {
	before=$(free_bytes)
	start_mount_process "$temp/doomed"
	head -c 5M "$temp/large" >"$temp/doomed/f"
	exec 5<"$temp/doomed/f"
	rm "$mnt/f"
	kill -9 "$fsd_pid"
	exec 5<&-
	umount -l "$temp/doomed"
	wait_until 100 free_is "$before"
}

# --- a dead server ---
server_is_dead() {
	begin=$SECONDS
	for call in 'os.stat("old")' 'os.mkdir("new")' 'os.listdir(".")' 'open("old").read()' 'os.statvfs(".")' 'os.read(5, 100)'; do
		timeout 30 python3 -c "
import errno, os
os.chdir('/')
os.chdir('$mnt') if 'read(5' not in '$call' else None
$call" 2>"$temp/message" && return 1
		tail -1 "$temp/message"
		tail -1 "$temp/message" | grep -Eq 'Errno (5|107|116)\]'
	done
	echo "$((SECONDS - begin)) s"
	[ $((SECONDS - begin)) -le 25 ]
	fails any 'cannot connect|no server' "$FAR" ping -c 1
}
server_is_back() {
	wait_until 100 ls "$mnt" >/dev/null
	# Other objects get the numbers that the old ones had.
	for i in $(seq 50); do echo "other $i" >"$mnt/other-$i"; done
	timeout 10 python3 -c '
import errno, os
try:
    print(os.pread(5, 100, 0))
except OSError as e:
    print(e)
    assert e.errno in (errno.ESTALE, errno.ENOENT, errno.EIO)
else:
    raise AssertionError("read something")'
	[ ! -e "$mnt/old" ]
	echo new >"$mnt/new"
	[ "$("$FAR" get new)" = new ]
}

# --- bad set-up: one line that names the thing, and a status ---
server_refuses() {
	fails any "$address.*(in use|another)" "$FAR_SERVER" --pool 16M --listen "$address" --no-shm
	touch "$temp/file"
	fails any "$temp/file.*not a socket" "$FAR_SERVER" --pool 16M --listen "shm://$temp/file" --no-shm
	fails any 'pool' "$FAR_SERVER" --pool 1
	fails any 'pool' "$FAR_SERVER" --pool nonsense
	fails any 'memory|pool' "$FAR_SERVER" --pool 9T
	fails 2 'no-such-option: .*far-server --help' "$FAR_SERVER" --no-such-option
	fails 2 'pool: .*far-server --help' "$FAR_SERVER" --pool
	fails 2 'no-shm=yes: .*far-server --help' "$FAR_SERVER" --no-shm=yes
	fails any 'address|listen' "$FAR_SERVER" --pool 16M --listen carrier-pigeon://x
	fails 2 'extra: .*far-server --help' "$FAR_SERVER" extra
	fails any 'nowhere.conf' "$FAR_SERVER" --config "$temp/nowhere.conf"
	fails any "$temp: Is a directory" "$FAR_SERVER" --config "$temp"
	echo 'pool = [what' >"$temp/bad.conf"
	fails any 'bad.conf:1: pool' "$FAR_SERVER" --config "$temp/bad.conf"
	echo 'a sentence' >"$temp/sentence.conf"
	fails any 'sentence.conf:1' "$FAR_SERVER" --config "$temp/sentence.conf"
	echo 'colour = blue' >"$temp/unknown.conf"
	fails any 'unknown.conf:1: colour' "$FAR_SERVER" --config "$temp/unknown.conf"
}
unreadable_configuration() {
	# Root reads everything, so somebody else must try.
	echo 'pool = 16M' >"$temp/secret.conf"
	chmod 600 "$temp/secret.conf"
	chmod 755 "$temp"
	fails any 'secret.conf: Permission denied' setpriv --reuid 65534 --clear-groups "$FAR_SERVER" --config "$temp/secret.conf"
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
	fails 32 '/dev/fuse' unshare -m bash -c "mount --make-rprivate / && mount -t tmpfs none /dev && '$FAR_FSD' '$address' '$temp/empty'"
}
far_refuses() {
	fails 2 'no-such-command' "$FAR" no-such-command
	fails 2 'no-such-option: .*far --help' "$FAR" --no-such-option
	fails 2 'command' "$FAR"
	for command in $("$FAR" help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
		fails 2 "far $command: --no-such-option: .*far $command --help" "$FAR" "$command" --no-such-option
		fails 2 "far $command: -Z: .*far $command --help" "$FAR" "$command" -Z
		fails 2 "far $command: --server: .*far $command --help" "$FAR" "$command" --server
		fails 2 "far $command: --help=4: .*far $command --help" "$FAR" "$command" --help=4
	done
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
}
umount_ends_the_daemon() {
	start_mount_process "$temp/ends"
	umount "$temp/ends"
	wait "$fsd_pid"
}

check "a put that does not fit: ENOSPC, the old value stays, space comes back" full_pool_put
check "a write that does not fit: ENOSPC, what is there is right, space comes back" full_pool_write
check "small files until the pool is full" many_small_until_full
check "a client killed in the middle of a put leaves nothing" killed_put
check "a killed mount gives its holds back" killed_mount
check "far-server refuses bad set-ups in a line" server_refuses
check "far-fsd refuses bad set-ups in a line" mount_refuses
if command -v setpriv >/dev/null && setpriv --reuid 65534 --clear-groups test -x "$FAR_SERVER"; then
	check "a configuration file that may not be read is named" unreadable_configuration
else
	skip "a configuration file that may not be read is named" "no setpriv, or another user does not reach the program"
fi
if unshare -m true 2>/dev/null; then
	check "a missing /dev/fuse is named" no_device
else
	skip "a missing /dev/fuse is named" "no unshare here"
fi
check "far refuses bad commands and keys" far_refuses
check "mount.farfs takes fstab's options" helper
check "umount ends far-fsd with status 0" umount_ends_the_daemon
echo old >"$mnt/old"
exec 5<"$mnt/old"
stop_server -KILL
check "a dead server is an error within a bounded time" server_is_dead
start_server ${pool}M
check "the mount works again once a server is back; what was open before is an error" server_is_back
exec 5<&-
finish
