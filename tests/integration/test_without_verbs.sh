#!/bin/bash
# A build without the rdma provider and the metrics endpoint: it needs none of their libraries, works without, and where they are asked for says what to do.
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/integration/harness.sh" tcp
build=$temp/build
# Which meson sets for its tests: this build's own libfar is meant.
unset LD_LIBRARY_PATH
FAR=$build/client/cli/far FAR_SERVER=$build/server/far-server FAR_FSD=$build/fsd/far-fsd

make_build() {
	meson setup "$build" "$source" --buildtype=plain --werror -Dverbs=disabled -Dmetrics=disabled -Dtests=disabled
	ninja -j2 -C "$build" client/cli/far server/far-server fsd/far-fsd
}
needs_no_library() {
	ldd "$FAR" "$FAR_SERVER" "$FAR_FSD" >"$temp/libraries"
	grep libc.so "$temp/libraries"
	refuse grep -E 'libibverbs|librdmacm|libmicrohttpd' "$temp/libraries"
}
says_so() {
	advice="provider 'rdma' is not built in: build with -Dverbs=enabled"
	mkdir "$temp/mnt"
	fails any "$advice" "$FAR_SERVER" --pool 16M --listen rdma://127.0.0.1:0
	fails 1 "$advice" "$FAR" -s rdma://127.0.0.1:7440 ping -c 1
	fails 32 "$advice" "$FAR_FSD" rdma://127.0.0.1:7440 "$temp/mnt"
}
metrics_say_so() {
	fails 1 "metrics endpoint is not built in: build with -Dmetrics=enabled" \
		"$FAR_SERVER" --pool 16M --listen "shm://$temp/other.sock" --metrics=127.0.0.1:0
	"$FAR" top -i 0.1 -n 1 | grep -q ^metrics
}
works_otherwise() {
	echo value | "$FAR" put - key
	[ "$("$FAR" get key)" = value ]
	# An address without a provider: nobody looks for devices.
	"$FAR" -s "${address#tcp://}" ping -c 1 | tee "$temp/ping"
	grep -q ': tcp, because ' "$temp/ping"
}

check "it builds without a warning" make_build
check "its programs need no library of theirs" needs_no_library
check "rdma:// is refused with what to do" says_so
start_server 16M
check "the other providers work" works_otherwise
check "so is the metrics endpoint, and far top works" metrics_say_so
finish
