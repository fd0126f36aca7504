# Sourced by every integration test: starts real servers and mounts in a folder of its own and always ends them. Reports in TAP.
#
# A test is `test_x.sh PROVIDER` (shm or tcp), with FAR_SERVER, FAR_FSD and FAR naming the programs. It sources this file, calls `check NAME COMMAND...` for
# each case, and `finish` at its end. A case runs in a subshell with `set -e`: any command that fails fails the case, and its output is shown.
set -uo pipefail
export LC_ALL=C

provider=${1:-shm}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${FAR_SERVER:=$here/../../build/server/far-server}" "${FAR_FSD:=$here/../../build/fsd/far-fsd}" "${FAR:=$here/../../build/client/cli/far}"
temp=$(mktemp -d /tmp/farfs-test-XXXXXX)
export FARFS_RUNTIME_DIR=$temp/run
mkdir -p "$FARFS_RUNTIME_DIR"
case_number=0 failures=0
server_pid='' address=''
mounts=()

cleanup() {
	local status=$?
	trap - EXIT
	cd /
	for mount in "${mounts[@]}"; do
		umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null
	done
	[ -z "$server_pid" ] || kill -9 "$server_pid" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$temp"
	exit $status
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

bail() {
	echo "Bail out! $*"
	exit 1
}

# start_server [POOL [OPTION...]]: sets address and server_pid. Takes the address of an earlier one again if there was one.
start_server() {
	local pool=${1:-512M}
	local listen=$address
	[ $# -eq 0 ] || shift
	if [ -z "$listen" ]; then
		case $provider in
		shm) listen=shm://$temp/server.sock ;;
		tcp) listen=tcp://127.0.0.1:0 ;;
		*) bail "unknown provider $provider" ;;
		esac
	fi
	rm -f "$temp/ready"
	mkfifo "$temp/ready"
	"$FAR_SERVER" --pool "$pool" --listen "$listen" --no-shm --ready-fd 9 "$@" 9>"$temp/ready" >>"$temp/server.log" 2>&1 </dev/null &
	server_pid=$!
	address=$(timeout 30 sed -n '/^ready$/q;p' "$temp/ready" | grep "^$provider://" | head -1)
	[ -n "$address" ] || { cat "$temp/server.log" >&2; bail "far-server did not start"; }
	export FARFS_SERVER=$address FARFS_TEST_ADDRESS=$address
}

stop_server() {
	kill "${1:--TERM}" "$server_pid"
	wait "$server_pid" 2>/dev/null
	server_pid=''
}

need_fuse() {
	[ -e /dev/fuse ] || skip_all "no /dev/fuse here"
}

# start_mount DIRECTORY [OPTIONS]
start_mount() {
	mkdir -p "$1"
	"$FAR_FSD" "$address" "$1" ${2:+-o "$2"} 2>>"$temp/fsd.log" || { cat "$temp/fsd.log" >&2; bail "far-fsd did not mount"; }
	mounts+=("$1")
}

# Waits until the daemon behind the mount has given everything back.
stop_mount() {
	umount "$1" || { sleep 1; umount "$1"; }
	wait_until 50 sessions_are "${2:-1}"
}

# The session that asks is one.
sessions_are() {
	[ "$("$FAR" df --json | json_field sessions)" -le "$1" ]
}

wait_until() {
	local tries=$1
	shift
	for _ in $(seq "$tries"); do
		"$@" 2>/dev/null && return 0
		sleep 0.1
	done
	return 1
}

json_field() {
	python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

free_bytes() {
	"$FAR" df --json | json_field free
}

check() {
	local name=$1 output status
	shift
	case_number=$((case_number + 1))
	output=$(set -e; "$@" 2>&1)
	status=$?
	if [ $status -eq 0 ]; then
		echo "ok $case_number - $provider: $name"
	else
		echo "not ok $case_number - $provider: $name (status $status)"
		sed 's/^/# /' <<<"$output" | tail -30
		failures=$((failures + 1))
	fi
}

finish() {
	echo "1..$case_number"
	[ $failures -eq 0 ]
	exit
}

# The command must fail (`!` would go unnoticed by set -e).
refuse() {
	! "$@"
}

# fails STATUS PATTERN COMMAND...: the command must end with that status (any: other than 0) and say one line that matches.
fails() {
	local want=$1 pattern=$2 output status=0
	shift 2
	output=$(timeout 20 "$@" 2>&1 >/dev/null) || status=$?
	echo "status $status: $output"
	if [ "$want" = any ]; then [ $status -ne 0 ] && [ $status -ne 124 ]; else [ $status -eq "$want" ]; fi || return 1
	grep -Eq "$pattern" <<<"$output"
}
