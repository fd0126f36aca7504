#!/bin/bash
# After everything is deleted the pool's free space is what it was, to the byte.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 512M
mnt=$temp/mnt
before=$(free_bytes)
start_mount "$mnt"

use_and_delete() {
	if [ "$slower" -gt 1 ]; then
		cp -a /usr/include/linux/netfilter "$mnt/"
	else
		cp -a /usr/include/linux /usr/include/c++ "$mnt/" 2>/dev/null || cp -a /usr/include/linux "$mnt/"
	fi
	head -c 50M /dev/urandom >"$mnt/big"
	for i in 1 2 3; do head -c $((20 / slower))M /dev/urandom | dd of="$mnt/big" bs=1M seek=$((i * 7)) conv=notrunc status=none; done
	truncate -s 30M "$mnt/big"
	truncate -s 3G "$mnt/sparse"
	printf x | dd of="$mnt/sparse" bs=1 seek=2000000000 conv=notrunc status=none
	for i in $(seq $((200 / slower))); do echo "$i" >"$mnt/file-$i-with-quite-a-long-name-that-needs-room"; done
	for i in $(seq $((200 / slower))); do mv "$mnt/file-$i-with-quite-a-long-name-that-needs-room" "$mnt/$i-$(printf 'n%.0s' $(seq 200))"; done
	for i in $(seq $((50 / slower))); do ln "$mnt/$i-"* "$mnt/link-$i"; done
	ln -s target "$mnt/symlink"
	head -c 9M /dev/urandom | "$FAR" put - deep/er/key
	for i in $(seq 20); do head -c $((i * 5000)) /dev/zero | "$FAR" put - deep/same; done
	exec 5<"$mnt/big"
	rm "$mnt/big"
	exec 5<&-
	rm -rf "${mnt:?}"/*
	[ -z "$(ls -A "$mnt")" ]
}
all_is_back() {
	stop_mount "$mnt"
	[ "$("$FAR" df --json | json_field objects)" -eq 0 ]
	after=$(free_bytes)
	echo "before $before after $after"
	[ "$after" -eq "$before" ]
}

check "use it hard, delete all" use_and_delete
check "free space is what it was, to the byte" all_is_back
finish
