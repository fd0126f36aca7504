#!/bin/bash
# The arrows between the folders go one way: fsd -> client -> fabric; server -> fabric; all may use include/.
cd "$(dirname "$0")/../.." || exit 1
number=0 failed=0

# may FOLDER ALLOWED...: the folder's sources include ours only from the allowed places.
may() {
	local folder=$1 allowed found
	shift
	allowed=$(printf '|%s/' "$@")
	found=$(grep -rnE '^#include "' "$folder" --include='*.c' --include='*.h' | grep -vE "#include \"(far\.h|far/${allowed})")
	number=$((number + 1))
	if [ -z "$found" ]; then
		echo "ok $number - $folder includes only far/ $*"
	else
		echo "not ok $number - $folder includes only far/ $*"
		sed 's/^/# /' <<<"$found"
		failed=1
	fi
}

# names FOLDER PATTERN: outside of fabric/ nobody names a transport.
silent() {
	local found
	found=$(grep -rnE "$2" "$1" --include='*.c' --include='*.h')
	number=$((number + 1))
	if [ -z "$found" ]; then
		echo "ok $number - $1 names no transport"
	else
		echo "not ok $number - $1 names no transport"
		sed 's/^/# /' <<<"$found"
		failed=1
	fi
}

may include
may fabric fabric
may server server fabric
may client client fabric
may fsd fsd client
silent server '#include <(liburing|infiniband|rdma|sys/socket|netinet)'
silent client '#include <(liburing|infiniband|rdma|sys/socket|netinet)'
silent fsd '#include <(infiniband|rdma|sys/socket|netinet)' # io_uring is a way of FUSE's, too
echo "1..$number"
exit $failed
