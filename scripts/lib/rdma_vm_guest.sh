#!/bin/bash
# In the virtual machine, on the host's files: two Soft-RoCE devices that face each other, then the command of scripts/rdma-vm.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LOGNAME=root
. /run/rdma-vm.conf/guest.conf
if [ "$verb" = shell ]; then
	stty sane rows "${size[0]:-24}" cols "${size[1]:-80}" 2>/dev/null
else
	stty raw -echo 2>/dev/null
fi

# Both ends of the pair are addresses of this one kernel (Soft-RoCE of this kernel serves the first network namespace only), so rules by source and destination send what one
# says to the other over the wire.
set_up_network() {
	ip link set lo up
	# What the cable's far end has not taken yet. Soft-RoCE answers a read in one go, 1,025 packets for 4 MiB; beyond the usual 1,000 they are dropped, and it says "receiver not ready".
	echo 32768 >/proc/sys/net/core/netdev_max_backlog
	ip link add v0 type veth peer name v1
	ip link set v0 mtu 9000 up
	ip link set v1 mtu 9000 up
	ip address add 10.9.0.1/24 dev v0
	ip address add 10.9.0.2/24 dev v1
	for interface in all v0 v1; do
		echo 1 >"/proc/sys/net/ipv4/conf/$interface/accept_local"
		echo 0 >"/proc/sys/net/ipv4/conf/$interface/rp_filter"
		echo 1 >"/proc/sys/net/ipv4/conf/$interface/arp_ignore"
	done
	ip route add 10.9.0.2 dev v0 src 10.9.0.1 table 101
	ip route add 10.9.0.1 dev v1 src 10.9.0.2 table 102
	ip rule add pref 8 iif v1 from 10.9.0.1 to 10.9.0.2 lookup local
	ip rule add pref 8 iif v0 from 10.9.0.2 to 10.9.0.1 lookup local
	ip rule add pref 9 from 10.9.0.1 to 10.9.0.1 lookup local
	ip rule add pref 9 from 10.9.0.2 to 10.9.0.2 lookup local
	ip rule add pref 10 from 10.9.0.1 to 10.9.0.2 lookup 101
	ip rule add pref 10 iif lo to 10.9.0.1 lookup 102
	ip rule add pref 100 lookup local
	ip rule del pref 0
}

set_up_devices() {
	rdma link add rxe0 type rxe netdev v0
	rdma link add rxe1 type rxe netdev v1
}

hostname rdma-vm
# What udev does elsewhere: bash's <(...), and devices for users who are not root.
ln -sfn /proc/self/fd /dev/fd
set_up_network && set_up_devices || echo "rdma-vm: the network could not be set up" >&2
chmod 666 /dev/infiniband/*
ulimit -l unlimited -n 65536
mkdir -p /run/farfs
cd "$directory" || cd /
if [ "$verb" = shell ]; then
	setsid -c "${command[@]}" <>/dev/hvc0 >&0 2>&1
	status=$?
else
	# Through a pipe: a daemon of the command that opened the terminal would take it for its own, and hang it up at its end.
	"${command[@]}" </dev/null 2>&1 | cat
	status=${PIPESTATUS[0]}
fi
echo $status >/run/rdma-vm/status
