# Sourced by every integration test: starts real servers and mounts in a folder of its own and always ends them. Reports in TAP.
#
# A test is `test_x.sh PROVIDER` (shm, tcp, or in scripts/rdma-vm rdma), with FAR_SERVER, FAR_FSD and FAR naming the programs. It sources this file, calls `check NAME COMMAND...` for
# each case, and `finish` at its end, which adds the case that all ends cleanly. A case runs in a subshell with `set -e`: any command that fails fails the case, and its output is shown.
set -uo pipefail
export LC_ALL=C

provider=${1:-shm}
# Devices for rdma are mostly those of scripts/rdma-vm, where all takes some ten times longer: counts and sizes that are only there to be many are divided by this.
case $provider in
rdma) slower=${FARFS_TEST_SLOWER:-10} ;;
*) slower=${FARFS_TEST_SLOWER:-1} ;;
esac
export slower
# Mounts are by /dev/fuse, whatever the kernel offers; FARFS_TEST_RING=on: by rings. test_ring.sh is about those in any case.
may_ring=/sys/module/fuse/parameters/enable_uring
ring=${FARFS_TEST_RING:-off}
[ "$ring" = off ] || [ "$(cat $may_ring 2>/dev/null)" = Y ] || echo Y >$may_ring
# Servers have one I/O thread here, whatever the number of CPUs; FARFS_TEST_IO_THREADS=N: so many.
io_threads=${FARFS_TEST_IO_THREADS:-1}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${FAR_SERVER:=$here/../../build/server/far-server}" "${FAR_FSD:=$here/../../build/fsd/far-fsd}" "${FAR:=$here/../../build/client/cli/far}"
temp=$(mktemp -d /tmp/farfs-test-XXXXXX)
export FARFS_RUNTIME_DIR=$temp/run
mkdir -p "$FARFS_RUNTIME_DIR"
# Sanitizer builds: daemons that complain do so into files, which finish looks for.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$temp/sanitizer UBSAN_OPTIONS=${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}log_path=$temp/sanitizer TSAN_OPTIONS=${TSAN_OPTIONS:+$TSAN_OPTIONS:}log_path=$temp/sanitizer
case_number=0 failures=0
server_pid='' address=''

# sweep FOLDER KEEP: ends whatever runs on behalf of the test with this folder, found by the environment that all of it inherits, but process KEEP.
sweep() {
	local mount pid
	# What was mounted last first. A daemon that no longer answers must not hold this up.
	while read -r mount; do
		timeout 10 umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null
	done < <(awk -v top="$1/" 'index($2, top) == 1 {print $2}' /proc/self/mounts | tac)
	for pid in $(grep -lzxF "FARFS_RUNTIME_DIR=$1/run" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do
		[ "$pid" = "$2" ] || kill -9 "$pid" 2>/dev/null
	done
	rm -rf --one-file-system "$1"
}

# Sweeps if this shell is killed, as meson does half a second after a test's time limit.
setsid bash -c "$(declare -f sweep)
	tail --pid=$$ -f /dev/null
	sweep '$temp' \$\$" </dev/null >/dev/null 2>&1 &
keeper_pid=$!
disown

cleanup() {
	local status=$?
	trap - EXIT
	cd /
	kill -9 $keeper_pid
	sweep "$temp" $$
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
		rdma) listen=rdma://10.9.0.1:0 ;; # the server's device in scripts/rdma-vm
		rdma-socket)
			listen=rdma://10.9.0.1:0
			set -- "$@" --connect=socket --device=rxe0
			;;
		*) bail "unknown provider $provider" ;;
		esac
	fi
	rm -f "$temp/ready"
	mkfifo "$temp/ready"
	# Descriptor 5 is where suites keep a file of the mount open: it is not the server's to hold.
	"$FAR_SERVER" --pool "$pool" --listen "$listen" --no-shm --io-threads "$io_threads" --ready-fd 9 "$@" 9>"$temp/ready" >>"$temp/server.log" 2>&1 </dev/null 5<&- &
	server_pid=$!
	address=$(timeout 30 sed -n '/^ready$/q;p' "$temp/ready" | grep "^${provider%-socket}://" | head -1)
	[ -n "$address" ] || { cat "$temp/server.log" >&2; bail "far-server did not start"; }
	export FARFS_SERVER=$address FARFS_TEST_ADDRESS=$address
}

# stop_server [SIGNAL]: returns the server's exit status.
stop_server() {
	local pid=$server_pid
	server_pid=''
	kill "${1:--TERM}" "$pid"
	wait "$pid" 2>/dev/null
}

need_fuse() {
	[ -e /dev/fuse ] || skip_all "no /dev/fuse here"
}

# start_mount DIRECTORY [OPTIONS]
start_mount() {
	mkdir -p "$1"
	"$FAR_FSD" "$address" "$1" -o "ring=$ring${2:+,$2}" 2>>"$temp/fsd.log" || { cat "$temp/fsd.log" >&2; bail "far-fsd did not mount"; }
}

# start_mount_process DIRECTORY [OPTIONS]: the same in the foreground, to have the daemon's process as fsd_pid.
start_mount_process() {
	mkdir -p "$1"
	"$FAR_FSD" "$address" "$1" -f -o "ring=$ring${2:+,$2}" >/dev/null 2>>"$temp/fsd.log" </dev/null &
	fsd_pid=$!
	wait_until 100 mountpoint -q "$1" || { cat "$temp/fsd.log" >&2; bail "far-fsd did not mount"; }
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

# A process has ended, waited for or not.
gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }

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
		output=$(sed 's/^/# /' <<<"$output" | tail -200)
		echo "$output"
		echo "$output" >&2 # what a run of the suite shows of it
		failures=$((failures + 1))
	fi
}

# check_each COMMAND...: it runs cases of its own and prints of each `ok NAME` or `not ok NAME`, with what is to say of it behind `# `.
check_each() {
	local line result
	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			case_number=$((case_number + 1)) result=${line%%ok *}ok
			[ "$result" = ok ] || failures=$((failures + 1))
			line="$result $case_number - $provider: ${line#*ok }"
			[ "$result" = ok ] || echo "$line" >&2
			;;
		*) echo "$line" >&2 ;;
		esac
		echo "$line"
	done < <("$@" 2>"$temp/each.log" || echo "not ok $* (status $?)"; sed 's/^/# /' "$temp/each.log")
}

# skip NAME REASON: a case that cannot run here; not counted as passed.
skip() {
	case_number=$((case_number + 1))
	echo "ok $case_number - $provider: $1 # SKIP $2"
}

# Mounts end by umount alone and give everything back, far fsck finds nothing, the server ends by SIGTERM with status 0, and no sanitizer complained.
ends_cleanly() {
	local mount status=0
	while read -r mount; do
		umount "$mount" || status=1
	done < <(awk -v top="$temp/" 'index($2, top) == 1 {print $2}' /proc/self/mounts | tac)
	if [ -n "$server_pid" ]; then
		wait_until 100 sessions_are 1 || { echo "sessions are left"; status=1; }
		is_consistent || status=1
		stop_server || { echo "the server's status is $?"; tail -20 "$temp/server.log"; status=1; }
	fi
	wait_until 100 no_mount_process || { echo "a far-fsd goes on"; status=1; }
	cat "$temp"/sanitizer.* 2>/dev/null && status=1
	return $status
}

# The server's structures fit together. What changes meanwhile does not count.
is_consistent() {
	timeout 120 "$FAR" fsck || { echo "far fsck: status $?"; return 1; }
}

no_mount_process() {
	local pid
	for pid in $(grep -lzxF "FARFS_RUNTIME_DIR=$FARFS_RUNTIME_DIR" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do
		[ ! "/proc/$pid/exe" -ef "$FAR_FSD" ] || return 1
	done
}

# The last case of each suite.
finish() {
	# Not in check's subshell, for the server is this shell's child.
	ends_cleanly >"$temp/end.log" 2>&1
	echo $? >>"$temp/end.log"
	check "what was started ends cleanly" report_end
	echo "1..$case_number"
	[ $failures -eq 0 ]
	exit
}

report_end() {
	cat "$temp/end.log"
	[ "$(tail -1 "$temp/end.log")" = 0 ]
}

# The command must fail (`!` would go unnoticed by set -e).
refuse() {
	! "$@"
}

# fails STATUS PATTERN COMMAND...: the command must end by itself with that status (any: other than 0) and say one line, which matches.
# What a server logs does not count.
fails() {
	local want=$1 pattern=$2 output status=0
	shift 2
	output=$(timeout 20 "$@" 2>&1 >/dev/null </dev/null) || status=$?
	output=$(grep -Ev '^(info|warning) ' <<<"$output")
	echo "$* => status $status: $output"
	if [ "$want" = any ]; then [ $status -ne 0 ] && [ $status -lt 124 ]; else [ $status -eq "$want" ]; fi || return 1
	[ "$(wc -l <<<"$output")" -eq 1 ] && grep -Eq -- "$pattern" <<<"$output"
}
