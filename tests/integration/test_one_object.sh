#!/bin/bash
# One object, three ways: a file, a key, a call.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 256M
mnt=$temp/mnt
start_mount "$mnt"
: "${FARFS_BUILD:=$here/../../build}"

version() { "$FAR" stat --json "$1" | python3 -c '
import json, sys
data = json.load(sys.stdin)
def find(d):
    if isinstance(d, dict):
        if "version" in d: return d["version"]
        d = list(d.values())
    if isinstance(d, list):
        for e in d:
            v = find(e)
            if v is not None: return v
print(find(data))'; }

file_then_key() {
	mkdir "$mnt/a"
	head -c 70000 /dev/urandom >"$temp/f"
	cp "$temp/f" "$mnt/a/b"
	"$FAR" get a/b | cmp - "$temp/f"
}
key_then_file() {
	head -c 5000 /dev/urandom >"$temp/g"
	"$FAR" put "$temp/g" x/y/z
	cmp "$temp/g" "$mnt/x/y/z"
	[ "$(stat -c %F "$mnt/x")" = directory ]
}
versions_grow() {
	echo 1 | "$FAR" put - v
	first=$(version v)
	echo 22 >"$mnt/v"
	second=$(version v)
	[ "$second" -gt "$first" ]
	refuse "$FAR" cas v "$first" "$temp/g"
	[ "$(cat "$mnt/v")" = 22 ]
	"$FAR" cas v "$second" "$temp/g"
	cmp "$temp/g" "$mnt/v"
}
names_agree() {
	"$FAR" mv v moved/v
	cmp "$temp/g" "$mnt/moved/v"
	[ ! -e "$mnt/v" ]
	mv "$mnt/moved/v" "$mnt/back"
	"$FAR" get back | cmp - "$temp/g"
	"$FAR" rm back
	[ ! -e "$mnt/back" ]
}
installed_library() {
	DESTDIR=$temp/root meson install -C "$FARFS_BUILD" --no-rebuild --quiet
	pc=$(find "$temp/root" -name libfar.pc)
	export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$temp/root
	# shellcheck disable=SC2046
	cc -Wall -Werror "$here/example.c" -o "$temp/example" $(pkg-config --cflags --libs libfar)
	library=$(find "$temp/root" -name libfar.so.0)
	"$FAR" rm -f hello/world
	# A sanitizer's runtime must come before the program that does not know of it.
	runtime=$(ldd "$library" | awk '/lib[at]san/ {print $3}')
	LD_PRELOAD=$runtime LD_LIBRARY_PATH=${library%/*} "$temp/example" "$address" | grep -qxE 'far memory version [0-9]+'
	[ "$(cat "$mnt/hello/world")" = 'far memory' ]
	nm -D --defined-only "$library" | awk '{print $3}' | grep -v '^LIBFAR_' >"$temp/symbols"
	refuse grep -v '^far_' "$temp/symbols"
	[ -L "$temp/root/sbin/mount.farfs" ] # mount(8) looks nowhere else
}

check "cp, then far get" file_then_key
check "far put makes directories, then cat" key_then_file
check "versions are one" versions_grow
check "names are one" names_agree
if command -v meson pkg-config >/dev/null && [ -f "$FARFS_BUILD/build.ninja" ]; then
	check "the installed library, its pkg-config file and its example" installed_library
else
	skip "the installed library, its pkg-config file and its example" "no meson, pkg-config or build folder here"
fi
finish
