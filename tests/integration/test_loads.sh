#!/bin/bash
# Programs made to load and test file systems, in short. FARFS_LONG=N makes them run N times as long.
. "$(dirname "$0")/harness.sh"
need_fuse
long=${FARFS_LONG:-1}
start_server 2G
mnt=$temp/mnt
start_mount "$mnt"
chmod 1777 "$mnt"

# Random writes of several sizes, buffered, direct, mapped and appended; then every block is read back and its checksum looked at.
fio_verify() {
	mkdir "$mnt/fio"
	fio --directory="$mnt/fio" --size=$((4 * long))M --verify=crc32c --do_verify=1 --verify_fatal=1 --verify_state_save=0 --randrepeat=1 --group_reporting --minimal \
		--name=buffered --rw=randwrite --bsrange=1k-64k --ioengine=psync --stonewall \
		--name=direct --rw=randwrite --bs=4k --direct=1 --ioengine=io_uring --iodepth=8 --stonewall \
		--name=large --rw=write --bs=1m --direct=1 --ioengine=psync --stonewall \
		--name=mapped --rw=randwrite --bs=4k --ioengine=mmap --stonewall \
		--name=together --rw=randrw --bs=16k --numjobs=4 --ioengine=psync --fsync=16 --stonewall >"$temp/fio.log"
	rm -r "$mnt/fio"
}

use_dbench() {
	mkdir "$mnt/dbench"
	dbench --directory="$mnt/dbench" --timelimit=$((5 * long)) --loadfile=/usr/share/dbench/client.txt 4
	rm -rf "$mnt/dbench"
}

use_bonnie() {
	mkdir "$mnt/bonnie"
	chmod 777 "$mnt/bonnie"
	bonnie++ -d "$mnt/bonnie" -u nobody -f -s $((32 * long))M -r 16M -n 1:4096:0:4 -q </dev/null
	[ -z "$(ls -A "$mnt/bonnie")" ]
}

# Each by itself, with what it verifies. What needs a device or another kind of file system is not among them.
stressors='access chdir chmod chown dentry dir dirdeep fcntl filename flock fstat fsize getdent hdd iomix lockf lockofd mknod open rename touch utime'
if [ -n "${FARFS_LONG:-}" ]; then stressors+=' dirmany dup eventfd handle inotify io link locka symlink sync-file'; fi

use_stress() {
	mkdir -p "$mnt/stress"
	(cd "$mnt/stress" && timeout 60 stress-ng --temp-path "$mnt/stress" --"$1" "$long" --timeout "${long}s" --verify --oomable)
}

rsync_there_and_back() {
	local source=/usr/share/perl
	[ -d $source ] || source=/usr/include/linux
	rsync -aH "$source/" "$mnt/synced/"
	rsync -aH "$mnt/synced/" "$temp/back/"
	diff -r --no-dereference "$source" "$temp/back"
	[ -z "$(rsync -aHn --delete --checksum --itemize-changes "$source/" "$temp/back/")" ]
	rm -r "$mnt/synced"
}

# check_with PROGRAM NAME CASE...
check_with() {
	local program=$1 name=$2
	shift 2
	if command -v "$program" >/dev/null; then check "$name" "$@"; else skip "$name" "no $program here"; fi
}

check_with fio "fio writes and verifies" fio_verify
check_with rsync "rsync -aH there and back" rsync_there_and_back
check_with dbench "dbench" use_dbench
check_with bonnie++ "bonnie++" use_bonnie
for stressor in $stressors; do
	check_with stress-ng "stress-ng --$stressor --verify" use_stress "$stressor"
done
check "the structures are whole" is_consistent
finish
