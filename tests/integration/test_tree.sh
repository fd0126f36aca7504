#!/bin/bash
# A real tree, in and out again: contents, links, modes, times.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 1G
mnt=$temp/mnt
start_mount "$mnt"

source=$temp/source
mkdir "$source"
cp -a /usr/include "$source/include"
files=$(find "$source" -type f | wc -l)
for extra in /usr/share/perl /usr/share/doc /usr/lib/python3; do
	[ "$files" -ge 5000 ] || { cp -a $extra "$source/" 2>/dev/null; files=$(find "$source" -type f | wc -l); }
done
mkdir "$source/links"
ln -s ../include "$source/links/relative"
ln -s /nowhere/at/all "$source/links/dangling"
echo one >"$source/links/a"
ln "$source/links/a" "$source/links/b"
chmod 4755 "$source/links/a"
touch -d '2001-02-03 04:05:06.789' "$source/links/a"
: >"$source/links/empty"
# A name need not be text.
: >"$source/links/$(printf 'caf\303\251 \001\377')"

enough_files() { [ "$files" -ge 5000 ]; }
copy_in() { cp -a "$source" "$mnt/copied"; }
compare() { diff -r --no-dereference "$source" "$mnt/copied"; }
same_attributes() { [ -z "$(rsync -aHn --delete --itemize-changes "$source/" "$mnt/$1/")" ]; }
rsync_in() { rsync -aH "$source/" "$mnt/synced/"; }
copy_out() {
	cp -a "$mnt/synced" "$temp/back"
	diff -r --no-dereference "$source" "$temp/back"
}
checksums() {
	(cd "$source" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$temp/sums"
	(cd "$mnt/copied" && sha256sum --quiet -c "$temp/sums")
}
far_lists_all() {
	[ "$("$FAR" ls -r --json copied/ | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" -eq "$(find "$source" -mindepth 1 | wc -l)" ]
}
remove() {
	rm -rf "$mnt/copied" "$mnt/synced"
	[ -z "$(ls -A "$mnt")" ]
}

check "the tree has 5,000 files or more" enough_files
check "cp -a in" copy_in
check "diff -r finds no difference" compare
check "checksums agree" checksums
check "owners, modes, times and links are kept by cp -a" same_attributes copied
check "rsync -aH in" rsync_in
check "nothing is left for rsync to do" same_attributes synced
check "out again, equal" copy_out
check "far ls -r lists every entry once" far_lists_all
check "rm -r" remove
finish
