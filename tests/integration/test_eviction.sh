#!/bin/bash
# A server with --full=evict: a full pool takes more, what is used, open or locked stays, and everything fits together under a storm.
. "$(dirname "$0")/harness.sh"
need_fuse
pool=$((32 << 20))
start_server $pool --full=evict
mount=$temp/mount
start_mount "$mount"
cd "$temp" || exit 1
head -c 300000 /dev/urandom >large
head -c 100 large >small

four_pools_of_puts() {
	for i in $(seq $((4 * pool / 300000))); do
		"$FAR" put large "large/$i"
	done
	"$FAR" get "large/$i" | cmp - large
	fails 4 'no such key' "$FAR" get large/1
	"$FAR" fsck
}
small_ones_after_large_ones() {
	mkdir -p tree
	for i in $(seq 200); do cp small "tree/$i"; done
	for i in $(seq 5); do "$FAR" put -r tree "small/$i"; done
	"$FAR" get small/5/200 | cmp - small
	"$FAR" put large again
	"$FAR" get again | cmp - large
}
hot_key_stays() {
	"$FAR" put small hot
	for i in $(seq $((2 * pool / 300000))); do
		"$FAR" put large "cold/$i"
		[ $((i % 5)) != 0 ] || "$FAR" get hot | cmp - small
	done
	"$FAR" get hot | cmp - small
}
stream_larger_than_what_is_free() {
	cat large large large large large large large large large large >stream
	"$FAR" put - stream <stream
	"$FAR" get stream | cmp - stream
	cat stream stream stream stream stream stream stream stream stream stream stream stream >over
	fails any 'full' "$FAR" put over over
	echo value | "$FAR" put - after
}
append_and_ranges() {
	"$FAR" put small log
	for i in $(seq 40); do
		"$FAR" put large "between/$i"
		"$FAR" append large log
	done
	[ "$("$FAR" get log | wc -c)" = $((100 + 40 * 300000)) ]
	"$FAR" get log | tail -c 300000 | cmp - large
	"$FAR" rm log
}
quota_makes_room_within_its_directory() {
	"$FAR" put small stays
	"$FAR" mkdir limited
	"$FAR" quota --bytes=2M limited
	for i in $(seq 30); do
		"$FAR" put large "limited/$i"
	done
	"$FAR" get limited/30 | cmp - large
	fails 4 'no such key' "$FAR" get limited/1
	"$FAR" get stays | cmp - small
	"$FAR" pin $("$FAR" ls limited)
	fails 1 'quota of /limited' "$FAR" put large limited/more
	"$FAR" rm -r limited
}
# It takes several turns of the server's loop.
thousands_go_within_a_quota_for_a_large_one() {
	mkdir files
	split -a 4 -b 1 <(head -c 8000 large) files/
	cat large large large >larger
	"$FAR" put -r files limited
	"$FAR" quota --bytes=1200K limited
	"$FAR" put larger limited/larger
	"$FAR" get limited/larger | cmp - larger
	[ "$("$FAR" ls limited | wc -l)" -lt 3900 ]
	"$FAR" quota limited | awk 'END {exit $2 > 1200 * 1024}'
	"$FAR" fsck
	"$FAR" rm -r limited
}
# Its kernel remembers all names, and forgets some behind each that was in the way.
mount_writes_more_than_a_quota() {
	local i
	mkdir "$mount/limited"
	"$FAR" quota --bytes=3M limited
	for i in $(seq 40); do wait_until 100 cp large "$mount/limited/$i"; done
	cmp large "$mount/limited/$i"
	[ "$(ls "$mount/limited" | wc -l)" -le 10 ]
	rm -r "$mount/limited"
}
mount_writes_more_than_the_pool() {
	local i
	mkdir "$mount/many"
	for i in $(seq $((3 * pool / 300000))); do cp large "$mount/many/$i"; done
	cmp large "$mount/many/$i"
	[ ! -e "$mount/many/1" ]
	for i in $(seq 2000); do cp small "$mount/many/small-$i"; done
	for i in $(seq $((2 * pool / 300000))); do "$FAR" put large "others/$i"; done
	"$FAR" fsck
}
storm() {
	local pids=() pid
	for seed in 1 2 3; do
		"$FAR_EVICTION_STORM" "$address" $((6000 / slower)) $seed &
		pids+=($!)
	done
	"$FAR_EVICTION_STORM" "$address" $((2000 / slower)) 4 "$mount" &
	pids+=($!)
	for pid in "${pids[@]}"; do wait "$pid"; done
	"$FAR" fsck
}
top_shows_evictions() {
	[ "$("$FAR" top -n 1 -i 0.1 --json | json_field evicted)" -gt 0 ]
	[ "$("$FAR" top -n 1 -i 0.1 --json | json_field evicted_bytes)" -gt $pool ]
	"$FAR" top -n 1 -i 0.1 | grep -E '^evicted/s [0-9]+ objects, .* in all [1-9][0-9]* objects, '
}
press() { # puts as much as the pool has, twice, each read at once: nothing that is neither used nor kept stays
	local i
	for i in $(seq $((2 * pool / 300000))); do
		"$FAR" put large "press/$i"
		"$FAR" get "press/$i" | cmp - large
	done
}
pinned_keys_stay() {
	"$FAR" put small pinned
	"$FAR" put small other
	fails 1 'not pinned' "$FAR" unpin pinned
	"$FAR" pin pinned
	"$FAR" pin pinned
	"$FAR" stat pinned | grep -q 'pinned  *yes'
	"$FAR" stat --json pinned | json_field objects | grep -q "'pinned': True"
	"$FAR" stat other | refuse grep -q pinned
	"$FAR" mv pinned elsewhere
	"$FAR" put large elsewhere
	press
	"$FAR" get elsewhere | cmp - large
	fails 4 'no such key' "$FAR" get other
	"$FAR" unpin elsewhere
	fails 4 'no such key' "$FAR" pin none
	fails 2 'give the keys' "$FAR" pin
	"$FAR" mkdir d
	fails 1 'is a directory' "$FAR" pin d
}
attribute() {
	python3 - "$@" <<-'PYTHON'
		import errno, os, sys
		what, path, *value = sys.argv[1:]
		try:
		    if what == "set": os.setxattr(path, "user.far.pinned", value[0].encode())
		    elif what == "get": print(os.getxattr(path, "user.far.pinned").decode())
		    elif what == "list": print("\n".join(os.listxattr(path)))
		    else: os.removexattr(path, "user.far.pinned")
		except OSError as e:
		    sys.exit(errno.errorcode[e.errno])
	PYTHON
}
attribute_pins() {
	"$FAR" put small file
	refuse attribute get "$mount/file" 2>message
	grep -q ENODATA message
	for value in 0 yes 11 ''; do
		refuse attribute set "$mount/file" "$value" 2>message
		grep -q EINVAL message
	done
	attribute set "$mount/file" 1
	[ "$(attribute get "$mount/file")" = 1 ]
	attribute list "$mount/file" | grep -qx user.far.pinned
	"$FAR" stat file | grep -q pinned
	mv "$mount/file" "$mount/moved"
	press
	cmp small "$mount/moved"
	attribute remove "$mount/moved"
	refuse attribute remove "$mount/moved" 2>message
	grep -q ENODATA message
	mkdir "$mount/folder"
	refuse attribute set "$mount/folder" 1 2>message
	grep -q EISDIR message
}
open_file_stays() {
	"$FAR" put large open
	exec 6<"$mount/open"
	press
	cmp - large <&6
	exec 6<&-
	"$FAR" put large unlinked
	exec 6<"$mount/unlinked"
	rm "$mount/unlinked"
	press
	cmp - large <&6
	exec 6<&-
}
all_pinned() {
	local count=0
	while "$FAR" put large "kept/$count" 2>message; do
		"$FAR" pin "kept/$count"
		count=$((count + 1))
		[ $count -lt 200 ]
	done
	grep -q 'pool is full: delete or unpin something' message
	fails any 'pool is full: delete or unpin something' "$FAR" put large more
	refuse cp stream "$mount/stream-more" 2>message # more than was granted to the mount before
	grep -q 'No space left' message
	for i in $(seq 0 $((count - 1))); do "$FAR" get "kept/$i" | cmp - large; done
	for i in $(seq 0 20); do "$FAR" unpin "kept/$i"; done
	"$FAR" put large more
	"$FAR" rm -r kept stream-more
}
wrong_words() {
	for word in yes EVICT '' evict,enospc; do
		fails 2 "--full: $word: give enospc or evict" "$FAR_SERVER" --full="$word"
	done
	echo 'full = lru' >wrong.conf
	fails 1 'give enospc or evict' "$FAR_SERVER" --config=wrong.conf
}

check 'four times as much as the pool is put without an error' four_pools_of_puts
check 'small values find room after large ones, and large ones after small' small_ones_after_large_ones
check 'a key that is asked for stays' hot_key_stays
check 'a stream finds room; one that is larger than the pool is refused' stream_larger_than_what_is_free
check 'appends find room' append_and_ranges
check 'a quota makes room within its directory' quota_makes_room_within_its_directory
check 'within a quota thousands of files go for a large one' thousands_go_within_a_quota_for_a_large_one
check 'a mount writes more than a quota' mount_writes_more_than_a_quota
check 'a mount writes three times as much as the pool, though its kernel remembers all names' mount_writes_more_than_the_pool
check 'far top shows what was evicted' top_shows_evictions
check 'a storm of puts and gets by several processes and a mount finds whole values, and nothing broken' storm
check 'pinned keys stay, under another name and with another value, until they are unpinned' pinned_keys_stay
check 'user.far.pinned pins, shows and unpins' attribute_pins
check 'open files stay as they are, with and without a name' open_file_stays
check 'with everything pinned it is full, and says what to do' all_pinned
check 'words that --full does not know are refused' wrong_words
finish
