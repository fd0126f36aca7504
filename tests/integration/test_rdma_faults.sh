#!/bin/bash
# Devices, links and peers that fail: each is one clear error, and all works again once it is mended. Takes links down and packets away, so it runs in scripts/rdma-vm only.
. "$(dirname "$0")/harness.sh"
[ -e /run/rdma-vm.conf ] || skip_all "takes links down: runs in scripts/rdma-vm only"
need_fuse
patience=25 # s; the device gives a peer up after 2 s without an answer, an emulated one takes longer
head -c 4M /dev/urandom >"$temp/value"

# --- the cable between the two devices ---

link_down() { ip link set "$1" down; }
# Links that go down lose their routes.
link_up() {
	ip link set "$1" up
	ip route replace 10.9.0.2 dev v0 src 10.9.0.1 table 101
	ip route replace 10.9.0.1 dev v1 src 10.9.0.2 table 102
}
# lose PERCENT: of all packets, both ways. The links stay up: it is the peer that does not answer.
lose() {
	tc qdisc replace dev v0 root netem loss "$1%"
	tc qdisc replace dev v1 root netem loss "$1%"
}
lose_none() {
	tc qdisc del dev v0 root
	tc qdisc del dev v1 root
}
# check_and_mend NAME COMMAND...: a case that fails half-way leaves no broken cable to the next.
check_and_mend() {
	check "$@"
	mend
}
mend() { { link_up v0; link_up v1; lose_none; } 2>/dev/null; }
# New devices for whoever comes next: these may have kept something of a broken cable.
renew() {
	timeout 10 rdma link delete rxe0
	timeout 10 rdma link delete rxe1
	devices_are_back
}
trap 'status=$?; mend; sweep "$temp" $$; renew; (exit $status); cleanup 2>/dev/null' EXIT

# --- one error, and work again ---

# transfer: begins to store bytes without end, and goes on when some are there.
transfer() {
	free_before=$(free_bytes)
	"$FAR" put - endless </dev/zero 2>"$temp/error" &
	transfer_pid=$!
	wait_until 100 is_less_than "$free_before"
}
is_less_than() { [ "$(free_bytes)" -lt $(($1 - 1000000)) ]; }

# The transfer ends by itself, in time, with one line that names the server.
transfer_fails() {
	local status=0
	timeout $patience tail --pid=$transfer_pid -f /dev/null || { kill -9 $transfer_pid; echo "goes on"; return 1; }
	wait $transfer_pid || status=$?
	echo "status $status: $(cat "$temp/error")"
	[ $status -eq 1 ]
	[ "$(wc -l <"$temp/error")" -eq 1 ]
	grep -q "$address" "$temp/error"
}

# The mount was there all the time: it is a session that lives through this.
mount_fails() {
	refuse timeout $patience cat "$mnt/value" >/dev/null 2>"$temp/message"
	cat "$temp/message"
	grep -Eq 'Input/output error|not connected|timed out' "$temp/message"
}
works_again() {
	wait_until 100 cmp "$mnt/value" "$temp/value"
	"$FAR" get value | cmp - "$temp/value"
	refuse "$FAR" stat endless 2>/dev/null
	echo again >"$mnt/again"
	[ "$("$FAR" get again)" = again ]
	rm "$mnt/again"
	wait_until 100 free_is "$free_before"
}
free_is() {
	local now
	now=$(free_bytes)
	echo "free: $now, at the start: $1"
	[ "$now" -eq "$1" ]
}

# --- before there is a server ---

no_device() {
	rdma link delete rxe0
	rdma link delete rxe1
	fails any 'no RDMA device' "$FAR_SERVER" --pool 16M --listen rdma://10.9.0.1:0 --no-shm
	fails any 'no RDMA device' "$FAR" -s rdma://10.9.0.1:7440 ping -c 1
}
devices_are_back() {
	rdma link add rxe0 type rxe netdev v0
	rdma link add rxe1 type rxe netdev v1
	wait_until 50 test -c /dev/infiniband/uverbs1
	chmod 666 /dev/infiniband/*
}
server_s_device_down() {
	link_down v0
	fails any 'link of device rxe0 port 1 is down|no RDMA device has this address' "$FAR_SERVER" --pool 16M --listen rdma://10.9.0.1:0 --no-shm
}
no_such_address() {
	fails any 'rdma://10.9.0.77:0.*no address of this host' "$FAR_SERVER" --pool 16M --listen rdma://10.9.0.77:0 --no-shm
}
# What runs a command as a user who may lock so many KiB.
locking() { user=(setpriv --reuid 65534 --clear-groups bash -c "ulimit -l $1; exec \"\$@\"" user); }
server_s_memlock() {
	locking 8192
	fails any '8192 KiB may be locked \(ulimit -l\), 65536 KiB' "${user[@]}" "$FAR_SERVER" --pool 64M --listen rdma://10.9.0.1:0 --no-shm
}
more_than_memory() {
	fails any 'does not fit .*memory.*smaller --pool' "$FAR_SERVER" --pool 1T --listen rdma://10.9.0.1:0 --no-shm
}

# --- with a server ---

client_s_memlock() {
	locking 1024
	fails any 'cannot register 4 MiB: .*1024 KiB may be locked \(ulimit -l\)' "${user[@]}" "$FAR" ping -c 1
}
client_s_device_down() {
	link_down v1
	fails any "the link of device rxe[01] port 1 is down|$address" "$FAR" ping -c 1
	link_up v1
	wait_until 50 "$FAR" ping -c 1
}
# Reads by the client's device alone: the server's must not send anything to the connection manager while its link is down, for Soft-RoCE (Linux 6.1) cannot connect any more after
# that.
link_down_during_reads() {
	free_before=$(free_bytes)
	timeout 60 bash -c 'while dd if="$1" of=/dev/null bs=64k iflag=direct status=none; do :; done' reader "$mnt/value" 2>"$temp/error" &
	reader_pid=$!
	sleep 1
	kill -0 $reader_pid
	link_down v0
	timeout $patience tail --pid=$reader_pid -f /dev/null
	cat "$temp/error"
	[ "$(wc -l <"$temp/error")" -eq 1 ]
	link_up v0
	works_again
}
unreachable_during_transfer() {
	transfer
	lose 100
	transfer_fails
	mount_fails
	fails any "$address" "$FAR" ping -c 1
	lose_none
	works_again
}
lossy_cable() {
	lose 1
	cp "$temp/value" "$mnt/lossy"
	cmp "$temp/value" "$mnt/lossy"
	"$FAR" put "$temp/value" lossy
	"$FAR" get lossy | cmp - "$temp/value"
	"$FAR" rm lossy
	lose_none
}

# A client that is killed while its device writes into the server's memory, at different moments; another client's value stays what it is all the time.
killed_while_writing() {
	free_before=$(free_bytes)
	for delay in 0 0.1 0.3 0.7; do
		transfer
		sleep $delay
		kill -9 $transfer_pid
		wait $transfer_pid || true
		"$FAR" get value | cmp - "$temp/value"
		fails 4 'no such key' "$FAR" get endless
	done
	kill -0 "$server_pid"
	wait_until 100 free_is "$free_before"
}
# One of a size, over a value that was there: old or new, never between.
killed_while_replacing() {
	head -c 16M /dev/urandom >"$temp/old"
	head -c 16M /dev/urandom >"$temp/new"
	free_before=$(free_bytes)
	for delay in 0.2 0.4 0.6 0.8; do
		"$FAR" put "$temp/old" replaced
		"$FAR" put "$temp/new" replaced &
		sleep $delay
		kill -9 $! 2>/dev/null || true
		wait $! || true
		"$FAR" get replaced "$temp/got"
		cmp -s "$temp/got" "$temp/old" || cmp "$temp/got" "$temp/new"
	done
	"$FAR" rm replaced
	wait_until 100 free_is "$free_before"
}

# Of programs that another user must reach.
check_as_user() {
	if setpriv --reuid 65534 --clear-groups test -x "$FAR_SERVER" 2>/dev/null; then check "$@"; else skip "$1" "another user does not reach the program"; fi
}

server_killed_during_transfer() {
	transfer
	kill -KILL "$server_pid"
	transfer_fails
	mount_fails
}
another_server() {
	wait_until 100 cp "$temp/value" "$mnt/value"
	"$FAR" get value | cmp - "$temp/value"
}

wrong_choice() {
	fails any 'rxe9' "$FAR" --device=rxe9 ping -c 1
	fails any 'rxe1.*port' "$FAR" ping -c 1 --device=rxe1 --port=9
	fails any 'GID' "$FAR" ping -c 1 --connect=socket --device=rxe1 --gid-index=200
	fails any 'connect=socket' "$FAR" ping -c 1 --gid-index=1
	mkdir -p "$temp/chosen"
	fails any 'rxe9' "$FAR_FSD" "$address" "$temp/chosen" -o device=rxe9
	"$FAR" --device=rxe1 --port=1 ping -c 1
	start_mount "$temp/chosen" device=rxe1,port=1
	cmp "$temp/value" "$temp/chosen/value"
	umount "$temp/chosen"
}

check "no device: server and client say so" no_device
devices_are_back
check_and_mend "a device that is down: the server says so" server_s_device_down
check "an address of no device: the server says so" no_such_address
check_as_user "too little locked memory: the server says how much it needs" server_s_memlock
check "a pool larger than what can be registered is refused" more_than_memory

start_server 256M
mnt=$temp/mnt
start_mount "$mnt"
cp "$temp/value" "$mnt/value"
check_as_user "too little locked memory: the client says so" client_s_memlock
check "a wrong device, port or GID is named" wrong_choice
check_and_mend "a client whose device is down says so, and works when it is up" client_s_device_down
check_and_mend "the link goes down during reads: one error, and work again when it is up" link_down_during_reads
check_and_mend "the server cannot be reached during a transfer: one error, and work again when it can" unreachable_during_transfer
check_and_mend "a cable that loses packets delivers all the same" lossy_cable
check "a client killed while it writes harms nobody and leaves nothing" killed_while_writing
check "a client killed while it replaces a value leaves the old or the new" killed_while_replacing
check "the server is killed during a transfer: one error" server_killed_during_transfer
wait "$server_pid" 2>/dev/null
start_server 256M
check "another server in its place: the mount works again" another_server
finish
