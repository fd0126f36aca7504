#!/bin/bash
# A server with --full=evict: a full pool takes more, what is used, open or locked stays, and everything fits together under a storm.
. "$(dirname "$0")/harness.sh"
pool=$((32 << 20))
start_server $pool --full=evict
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
storm() {
	local pids=() pid
	for seed in 1 2 3; do
		"$FAR_EVICTION_STORM" "$address" $((6000 / slower)) $seed &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	"$FAR" fsck
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
check 'a storm of puts and gets by several processes finds whole values, and nothing broken' storm
check 'words that --full does not know are refused' wrong_words
finish
