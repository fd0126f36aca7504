#!/bin/bash
# scripts/rdma-vm itself: what it returns, and that nothing stays behind however it ends. Writes TAP. Boots some machines, one after the other.
set -uo pipefail
export LC_ALL=C

vm=$(cd "$(dirname "$0")/../.." && pwd)/scripts/rdma-vm
here=$(cd "$(dirname "$0")" && pwd)
# Where the machines' folders are made, so that these are told from others'.
TMPDIR=$(mktemp -d)
export TMPDIR
case_number=0 failures=0

end_all() {
	local pid
	for pid in $(machines); do kill -9 "$pid"; done 2>/dev/null
	rm -rf "$TMPDIR"
}
trap end_all EXIT
trap 'exit 1' INT TERM HUP

# Processes of machines that have a folder below ours.
machines() {
	grep -l "$TMPDIR/[f]arfs-vm-" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 # and not grep itself
}

check() {
	local name=$1 output status
	shift
	case_number=$((case_number + 1))
	output=$(set -e; "$@" 2>&1)
	status=$?
	if [ $status -eq 0 ]; then
		echo "ok $case_number - $name"
	else
		echo "not ok $case_number - $name (status $status)"
		sed 's/^/# /' <<<"$output" | tail -60
		failures=$((failures + 1))
	fi
}

# ends STATUS COMMAND...: its output is in $TMPDIR/said; nothing is left.
ends() {
	local want=$1 status=0
	shift
	timeout -k 5 240 "$@" >"$TMPDIR/said" 2>&1 </dev/null || status=$?
	tail -40 "$TMPDIR/said"
	echo "status $status"
	[ $status -eq "$want" ]
	nothing_left
}
nothing_left() {
	for _ in $(seq 150); do
		[ -n "$(machines)" ] || break
		sleep 0.1
	done
	[ -z "$(machines)" ]
	ls "$TMPDIR"
	[ -z "$(find "$TMPDIR" -name 'farfs-vm-*')" ]
}

returns_all() {
	cd /usr
	FARFS_TEST='a b' ends 7 "$vm" --keep "$TMPDIR/kept" run bash -c \
		'pwd; echo "$FARFS_TEST $1"; echo wrong >&2; seq 20000; ls /sys/class/infiniband; cat; echo kept >/run/rdma-vm/file; exit 7' x 'two  words'
	[ "$(head -2 "$TMPDIR/said")" = "$(printf '/usr\na b two  words')" ]
	grep -qx wrong "$TMPDIR/said"
	[ "$(grep -c '^[0-9]*$' "$TMPDIR/said")" -eq 20000 ]
	[ "$(tail -2 "$TMPDIR/said")" = "$(printf 'rxe0\nrxe1')" ]
	[ "$(ls "$TMPDIR/kept")" = file ]
	[ "$(cat "$TMPDIR/kept/file")" = kept ]
}
panics() {
	ends 125 "$vm" run bash -c 'echo before; echo c >/proc/sysrq-trigger; sleep 100'
	grep -q 'the machine ended early' "$TMPDIR/said"
	grep -q 'sysrq triggered crash' "$TMPDIR/said"
}
hangs() {
	from=$SECONDS
	ends 124 "$vm" --time-limit 20 run sleep 1000
	grep -qx 'scripts/rdma-vm: ended after 20 s' "$TMPDIR/said"
	[ $((SECONDS - from)) -le 40 ]
}

# interrupted SIGNAL STATUS
interrupted() {
	local status=0 pid
	env --default-signal=INT "$vm" run sleep 1000 >"$TMPDIR/said" 2>&1 </dev/null &
	pid=$!
	for _ in $(seq 600); do
		[ -z "$(machines)" ] || break
		sleep 0.1
	done
	sleep 1
	kill "-$1" $pid
	wait $pid || status=$?
	cat "$TMPDIR/said"
	echo "status $status"
	[ $status -eq "$2" ]
	if [ "$1" != KILL ]; then
		nothing_left
		return
	fi
	sleep 3 # nobody is left to remove the folder
	[ -z "$(machines)" ]
	rm -r "$TMPDIR"/farfs-vm-*
}

wrong_usage() {
	ends 2 "$vm"
	ends 2 "$vm" run
	ends 2 "$vm" shell
	grep -q 'needs a terminal' "$TMPDIR/said"
	ends 2 "$vm" --time-limit soon run true
	ends 2 "$vm" --colour run true
	ends 0 "$vm" --help
}

check "output, exit status, folder, arguments and environment" returns_all
check "a shell on a terminal" timeout -k 5 240 python3 "$here/terminal.py" "$vm"
check "the shell leaves nothing" nothing_left
check "a machine that panics is told, with its console" panics
check "a command that hangs is ended at its time limit" hangs
for signal in "TERM 143" "INT 130" "HUP 129" "KILL 137"; do
	# shellcheck disable=SC2086 # two words
	check "the machine ends with its script by SIG${signal% *}" interrupted $signal
done
check "wrong usage" wrong_usage
echo "1..$case_number"
[ $failures -eq 0 ]
