#!/bin/bash
# What the kernel keeps of files, names and attributes, and how it comes to know that others have changed them: by default at once, with cache=alone never.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 256M
a=$temp/a b=$temp/b alone=$temp/alone unlocked=$temp/unlocked second=$temp/second strict=$temp/strict
start_mount "$a"
start_mount "$b"

# cached CASE MOUNT [OTHER]: runs cached.py's case.
cached() { python3 -B "$here/cached.py" "$@"; }

memory_is_back() {
	local before
	before=$(free_bytes)
	cached unlinked "$alone"
	wait_until 50 has_free $((before - 16384))
}

has_free() { [ "$(free_bytes)" -ge "$1" ]; }

refuses_option() {
	local status=0
	"$FAR_FSD" "$address" "$b" -o "$1" 2>"$temp/refused" || status=$?
	cat "$temp/refused"
	[ $status -eq 1 ] && grep -q "$2" "$temp/refused"
}

check "what nobody has changed is not read again" cached kept "$a" "$b"
check "what another mount changes is seen by the next open, though size and times are the same" cached seen_at_once "$a" "$b"
check "so is another file of the name" cached replaced "$a" "$b"
check "and what the mount itself writes" cached own_writes "$a" "$b"
check "a read that moves the access time is not answered from the cache" cached access_times "$a" "$b"
check "fsync asks nobody: all is at the server" cached fsync_asks_nothing "$a" "$b"
start_mount "$strict" strictatime
check "strictatime: each read is told" cached strict "$strict" "$b"
start_mount "$unlocked" local_lock=posix
check "local locks: nobody is told of a close" cached closes_silently "$unlocked"
start_mount "$alone" cache=alone
check "alone: what is known is not asked again" cached asks_nothing "$alone"
check "alone: own changes are seen" cached own_changes "$alone"
check "alone: past the cache and by it the bytes are the same" cached direct "$alone"
check "alone: an open file that has no name lives, and its memory comes back" memory_is_back
check "alone: locks are the mount's own" cached locks "$alone" "$b"
start_mount "$second" cache=alone,attr_timeout=1,entry_timeout=1
check "alone for a second: what others change is seen after it" cached seen_later "$second" "$b"
check "cache=what: refused" refuses_option cache=what "must be shared or alone"
check "cache=alone with shared locks: refused" refuses_option cache=alone,local_lock=none "all locks are local"
check "what is stored is consistent" is_consistent
finish
