#!/bin/bash
# Two mounts of one server: what one changes the other sees at its next call.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 256M
a=$temp/a b=$temp/b
start_mount "$a"
start_mount "$b"

content() {
	echo one >"$a/f"
	[ "$(cat "$b/f")" = one ]
	echo twelve >"$b/f"
	[ "$(cat "$a/f")" = twelve ]
	for i in $(seq $((100 / slower))); do
		echo "round $i" >"$a/f"
		[ "$(cat "$b/f")" = "round $i" ]
	done
}
in_place() {
	head -c 100000 /dev/zero >"$a/p"
	cat "$b/p" >/dev/null
	printf X | dd of="$a/p" bs=1 seek=50000 conv=notrunc status=none
	[ "$(dd if="$b/p" bs=1 skip=50000 count=1 status=none)" = X ]
}
open_descriptor() {
	echo before >"$a/o"
	exec 5<"$b/o"
	read -r line <&5
	[ "$line" = before ]
	echo after-ward >>"$a/o"
	read -r line <&5
	exec 5<&-
	[ "$line" = after-ward ]
}
size_and_attributes() {
	truncate -s 12345 "$a/s"
	[ "$(stat -c %s "$b/s")" -eq 12345 ]
	chmod 600 "$b/s"
	[ "$(stat -c %a "$a/s")" = 600 ]
	touch -d '2010-10-10 10:10:10.123456789 UTC' "$a/s"
	[ "$(stat -c %Y "$b/s")" -eq 1286705410 ]
	truncate -s 10 "$b/s"
	[ "$(wc -c <"$a/s")" -eq 10 ]
}
names() {
	mkdir "$a/d"
	[ -d "$b/d" ]
	touch "$b/d/x"
	[ "$(ls "$a/d")" = x ]
	mv "$a/d/x" "$a/d/y"
	[ "$(ls "$b/d")" = y ]
	[ ! -e "$b/d/x" ]
	rm "$b/d/y"
	[ ! -e "$a/d/y" ]
	rmdir "$a/d"
	[ ! -e "$b/d" ]
	touch "$b/d"
	[ -f "$a/d" ]
}
rename_over_open() {
	echo old >"$a/r"
	echo new >"$a/r2"
	exec 5<"$b/r"
	mv "$a/r2" "$a/r"
	[ "$(cat <&5)" = old ]
	exec 5<&-
	[ "$(cat "$b/r")" = new ]
}
open_unlinked() {
	before=$(free_bytes)
	head -c 3000000 /dev/urandom >"$a/u"
	cp "$a/u" "$temp/u"
	exec 5<"$b/u"
	rm "$a/u"
	[ ! -e "$b/u" ]
	cmp "$temp/u" - <&5
	[ "$(free_bytes)" -le $((before - 3000000)) ]
	exec 5<&-
	wait_until 50 free_is "$before"
}
free_is() { [ "$(free_bytes)" -eq "$1" ]; }
lines=$((slower > 1 ? 25 : 100)) # of each writer
append_lines() {
	for i in $(seq $lines); do echo "$(basename "$1")-$2-$i-padding" >>"$1/log"; done
}
appends() {
	local jobs=()
	: >"$a/log"
	for mount in "$a" "$b"; do
		for writer in 1 2; do append_lines "$mount" $writer & jobs+=($!); done
	done
	for job in "${jobs[@]}"; do wait "$job"; done
	[ "$(wc -l <"$a/log")" -eq $((4 * lines)) ]
	[ "$(sort -u "$b/log" | wc -l)" -eq $((4 * lines)) ]
	refuse grep -vE '^[ab]-[12]-[0-9]+-padding$' "$a/log"
}
append_rounds() {
	for _ in $(seq $((slower > 1 ? 2 : 8))); do appends; done
}
# What the log's writer passes by in the kernel's cache is seen by those who read through it.
log_and_reader() {
	echo first >"$a/log"
	exec 6<"$a/log"
	[ "$(cat "$a/log")" = first ]
	echo second >>"$b/log"
	echo third >>"$a/log"
	[ "$(cat <&6)" = "$(printf 'first\nsecond\nthird')" ]
	exec 6<&-
}
exclusive() {
	local won=0
	for i in $(seq 20); do
		(set -C; : >"$a/lock$i") 2>/dev/null & first=$!
		(set -C; : >"$b/lock$i") 2>/dev/null & second=$!
		wait $first && won=$((won + 1))
		wait $second && won=$((won + 1))
	done
	[ $won -eq 20 ]
}

check "content" content
check "a write in place" in_place
check "through a descriptor that was open before" open_descriptor
check "size, mode and times" size_and_attributes
check "names" names
check "rename over an open file" rename_over_open
check "an unlinked file that the other mount has open" open_unlinked
check "appends of four writers land whole" append_rounds
check "a reader of a log that two mounts append to" log_and_reader
check "O_EXCL: exactly one wins" exclusive
finish
