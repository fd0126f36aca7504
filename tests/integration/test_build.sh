#!/bin/bash
# This project, cloned into the mount and built there. FARFS_LONG=1 builds all of it and runs its unit tests there, too.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 2G
mnt=$temp/mnt
start_mount "$mnt"
source=$(cd "$here/../.." && pwd)
export HOME=$temp

clone() {
	if git -C "$source" rev-parse --git-dir >/dev/null 2>&1; then
		git -c safe.directory='*' clone --quiet --no-local "$source" "$mnt/farfs"
		git -C "$mnt/farfs" fsck --full --strict
		[ -z "$(git -C "$mnt/farfs" status --porcelain)" ]
		git -C "$mnt/farfs" gc --quiet
		git -C "$mnt/farfs" fsck --full
	else
		mkdir "$mnt/farfs"
		tar -C "$source" --exclude='./build*' -cf - . | tar -C "$mnt/farfs" -xf -
	fi
}

build() {
	cd "$mnt/farfs"
	meson setup build --buildtype=plain -Dtests=disabled >/dev/null
	ninja -C build "$@"
	build/server/far-server --version
	# Nothing is left to do, so times are as they should be.
	ninja -C build -n "$@" | grep -q 'no work to do'
}

build_all_and_test() {
	cd "$mnt/farfs"
	meson setup build-all --buildtype=debugoptimized -Dtests=enabled >/dev/null
	ninja -C build-all
	meson test -C build-all --no-rebuild --suite unit
}

for program in git meson ninja cc; do
	command -v $program >/dev/null || skip_all "no $program here"
done
check "git clone, fsck, gc, fsck" clone
check "far-server is built in the mount" build server/far-server
if [ -n "${FARFS_LONG:-}" ]; then check "all is built in the mount, and its unit tests run there" build_all_and_test; fi
check "the structures are whole" is_consistent
finish
