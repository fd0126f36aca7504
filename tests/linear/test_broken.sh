#!/bin/bash
# That the checker would notice: builds that break one rule each (meson's option `broken`) are refused under the load that the sound build passes.
# One build folder serves all of them: another choice compiles but the files that it concerns.
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/integration/harness.sh" all
build=$temp/build
# Which meson sets for its tests: the broken builds' own libfar is meant.
unset LD_LIBRARY_PATH
FAR_SERVER=$build/server/far-server
seconds=${FARFS_BROKEN_SECONDS:-2}

make_build() {
	if [ -e "$build/build.ninja" ]; then
		meson configure "$build" -Dbroken="$1"
	else
		meson setup "$build" "$source" --buildtype=plain -Doptimization=1 -Dbroken="$1"
	fi
	ninja -j2 -C "$build" server/far-server tests/linear/fire tests/linear/check
}

# Sets `verdict`, check's exit status, after a load of its own server.
load() {
	provider=$1 address='' verdict=0
	rm -rf "$temp/histories"
	mkdir "$temp/histories"
	start_server 256M
	timeout 60 "$build/tests/linear/fire" --seconds "$seconds" --processes 4 --keys 4 --seed "$2" "$temp/histories"
	stop_server || true # broken as it is
	timeout 60 "$build/tests/linear/check" "$temp/histories" >"$temp/verdict" || verdict=$?
	head -60 "$temp/verdict"
}

passes() {
	load "$1" 1
	[ $verdict -eq 0 ]
}

# is_refused PROVIDER PATTERN: for that reason. A rare interleaving may want another try.
is_refused() {
	local seed
	for seed in 1 2 3; do
		load "$1" $seed
		[ $verdict -eq 1 ] && grep -q "^key [0-9]*: $2" "$temp/verdict" && return
	done
	return 1
}

reason() {
	if [ "$1" = torn-read ]; then echo 'bytes that are no value'; else echo 'not linearizable'; fi
}

check "the sound build builds" make_build none
for each in shm tcp; do
	check "the sound build passes over $each" passes $each
done
for broken in lost-cas stale-read torn-read undead; do
	check "a build with $broken builds" make_build $broken
	for each in shm tcp; do
		# The server's side of TCP reads a small value at one go, so the order of copy and look is no matter there.
		[ $broken-$each != torn-read-tcp ] || continue
		check "a build with $broken is refused over $each" is_refused $each "$(reason $broken)"
	done
done

finish
