#!/bin/bash
# Files that are written where they are, over and over: by one mount, while the other mount, the command line and the namespace look at them and change them.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 256M
a=$temp/a b=$temp/b
start_mount "$a"
start_mount "$b"

# python NAME: runs in_place.py's case on both mounts.
python() { python3 "$here/in_place.py" "$1" "$a" "$b" "$FAR"; }

check "the other mount sees each write, its time and its version" python seen_at_once
check "by key the value is the last write's, and its version grows" python by_key
check "both mounts write the same file" python both_write
check "truncated and extended under a writer, what is behind the end reads zero" python truncated
check "removed, replaced and renamed under a writer" python names
check "holes are filled, and nothing else" python holes
check "large writes over what is there" python large
check "a program that is killed in the middle of its writes loses none that returned" python killed
umount "$a" "$b"
if [ "$provider" = shm ]; then
	stop_server
	rm -f "$temp/server.sock"
	start_server 256M --strict-shm
	start_mount "$a"
	start_mount "$b"
	check "--strict-shm: the other mount sees each write" python seen_at_once
	check "--strict-shm: large writes over what is there" python large
fi
finish
