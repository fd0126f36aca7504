#!/bin/bash
# The daemon of a mount: its options, how it begins and how it ends.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 128M
mnt=$temp/mnt
mkdir "$mnt"
ln -s "$FAR_FSD" "$temp/mount.farfs"

mounted() { awk -v at="$mnt" '$2 == at {print $1, $3, $4}' /proc/mounts; }

# begin [OPTION...]: a daemon in the foreground; its process in fsd.
begin() {
	"$FAR_FSD" "$address" "$mnt" -f "$@" 2>"$temp/fsd.err" </dev/null &
	fsd=$!
	wait_until 100 mountpoint -q "$mnt"
}

# ends STATUS: the daemon ends by itself, with that status, and nothing stays mounted.
ends() {
	local status=0
	wait_until 50 gone "$fsd"
	wait "$fsd" || status=$?
	echo "status $status"
	[ $status -eq "$1" ]
	refuse mountpoint -q "$mnt"
}

by_umount() {
	begin
	echo x >"$mnt/f"
	umount "$mnt"
	ends 0
}
by_signal() {
	for signal in TERM INT HUP; do
		begin
		ls "$mnt" >/dev/null
		# A background process of a script ignores SIGINT until the daemon says otherwise: its mask decides.
		kill -$signal "$fsd"
		ends 0
	done
}
while_busy() {
	begin
	echo x >"$mnt/f"
	exec 5<"$mnt/f"
	kill -TERM "$fsd"
	ends 0
	refuse cat <&5
	exec 5<&-
}
under_load() {
	begin
	mkdir "$mnt/load"
	for number in 1 2 3; do
		(while dd if=/dev/zero of="$mnt/load/$number" bs=64k count=200 2>/dev/null; do :; done) &
	done
	# Not the top: that is a directory afterwards, too, and listing it would go on for ever.
	(while ls -lR "$mnt/load" >/dev/null 2>&1; do :; done) &
	sleep 0.5
	kill -TERM "$fsd"
	ends 0
}
while_server_is_stopped() {
	begin -o timeout=2
	ls "$mnt" >/dev/null
	kill -STOP "$server_pid"
	timeout 20 ls "$mnt" >/dev/null 2>&1 &
	sleep 0.3
	kill -TERM "$fsd"
	ends 0
	kill -CONT "$server_pid"
}
server_stops_and_goes_on() {
	begin -o timeout=1
	echo x >"$mnt/f"
	kill -STOP "$server_pid"
	from=$SECONDS
	refuse timeout 20 touch "$mnt/g" # over shared memory what is there could still be read
	refuse timeout 20 ls "$mnt"
	[ $((SECONDS - from)) -le 10 ]
	kill -CONT "$server_pid"
	wait_until 50 cat "$mnt/f"
	umount "$mnt"
	ends 0
}

options_of_mount() {
	"$FAR_FSD" "$address" "$mnt" -o ro,noexec,sync,relatime,diratime,strictatime,user,_netdev,x-test,comment=y
	mounted | grep -E "^$address fuse.farfs ro,.*nosuid,nodev,noexec"
	refuse touch "$mnt/new"
	umount "$mnt"
	"$FAR_FSD" "$address" "$mnt" -o fsname=mine,suid,dev
	mounted | grep '^mine fuse.farfs rw'
	mounted | refuse grep -E 'nosuid|nodev'
	umount "$mnt"
}
refused_options() {
	fails 1 "option 'colour=blue'" "$FAR_FSD" "$address" "$mnt" -o ro,colour=blue
	fails 1 "option '-x'" "$FAR_FSD" "$address" "$mnt" -x
	fails 1 "option '--colour'" "$FAR_FSD" "$address" "$mnt" --colour
	fails 1 'threads' "$FAR_FSD" "$address" "$mnt" -o threads=65
	fails 1 'threads' "$FAR_FSD" "$address" "$mnt" -o threads=many
	fails 1 'timeout' "$FAR_FSD" "$address" "$mnt" -o timeout=0
	fails 1 'log_level=loud' "$FAR_FSD" "$address" "$mnt" -o log_level=loud
	fails 1 'the directory' "$FAR_FSD" "$address"
	fails 1 "'surplus'" "$FAR_FSD" "$address" "$mnt" surplus
	refuse mountpoint -q "$mnt"
}
as_helper() {
	"$temp/mount.farfs" "$address" "$mnt" -nv -t farfs -o rw
	mountpoint -q "$mnt"
	umount "$mnt"
	"$temp/mount.farfs" "$address" "$mnt" -s -o colour=blue
	umount "$mnt"
	"$temp/mount.farfs" "$address" "$mnt" -sfnv
	refuse mountpoint -q "$mnt"
	fails 32 'directory' "$temp/mount.farfs" "$address" "$temp/missing" -f
}
nonempty() {
	touch "$mnt/below"
	fails 32 'not empty' "$FAR_FSD" "$address" "$mnt"
	"$FAR_FSD" "$address" "$mnt" -o nonempty
	[ ! -e "$mnt/below" ]
	umount "$mnt"
	rm "$mnt/below"
}
over_a_dead_mount() {
	begin
	kill -9 "$fsd"
	wait "$fsd" || true
	fails 32 'umount -l' "$FAR_FSD" "$address" "$mnt"
	umount -l "$mnt"
}
requests_shown() {
	begin -d
	ls "$mnt" >/dev/null
	umount "$mnt"
	ends 0
	grep -q 'opcode: LOOKUP\|opcode: READDIRPLUS' "$temp/fsd.err"
}
direct() {
	begin
	head -c 3000001 /dev/urandom >"$temp/original"
	dd if="$temp/original" of="$mnt/direct" bs=1M oflag=direct status=none
	dd if="$mnt/direct" bs=64k iflag=direct status=none | cmp - "$temp/original"
	cmp "$mnt/direct" "$temp/original"
	umount "$mnt"
	ends 0
}
# Names made and removed through two mounts at once: an open that may create must find or make, and only with the rights that the mode gives.
create_race() {
	mkdir "$temp/second"
	"$FAR_FSD" "$address" "$mnt"
	"$FAR_FSD" "$address" "$temp/second"
	chmod 1777 "$mnt"
	python3 - "$mnt" "$temp/second" <<-'PYTHON'
		import errno, os, sys, time
		def run(top, uid, mode):
		    if os.fork(): return
		    if uid: os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
		    os.umask(0)
		    end, bad = time.monotonic() + 2, 0
		    while time.monotonic() < end:
		        try:
		            fd = os.open(top + "/race", os.O_CREAT | os.O_RDWR, mode)
		        except OSError as e:
		            if e.errno not in (errno.EACCES, errno.ESTALE): print(top, uid, e); bad = 1
		            continue
		        if os.fstat(fd).st_uid != uid: print("uid", uid, "opened what is not its own"); bad = 1
		        os.close(fd)
		        try: os.unlink(top + "/race")
		        except OSError: pass
		    os._exit(bad)
		for top in sys.argv[1:]: run(top, 65534, 0o600); run(top, 12345, 0o600)
		assert all(os.wait()[1] == 0 for _ in range(4))
	PYTHON
	umount "$mnt" "$temp/second"
}

check "umount ends the daemon with status 0" by_umount
check "SIGTERM, SIGINT and SIGHUP unmount and end it with status 0" by_signal
check "SIGTERM ends it while a file is open" while_busy
check "SIGTERM ends it under load" under_load
check "SIGTERM ends it while the server does not answer" while_server_is_stopped
check "a server that stops is an error in time, and the mount goes on with it" server_stops_and_goes_on
check "mount options reach the kernel, the user's before the defaults" options_of_mount
check "bad options are refused by name" refused_options
check "as mount(8) calls it" as_helper
check "a directory with entries is refused but with -o nonempty" nonempty
check "a dead mount in the place is named" over_a_dead_mount
check "-d shows requests" requests_shown
check "O_DIRECT reads and writes" direct
check "creating in a race gives no rights on others' files" create_race
finish
