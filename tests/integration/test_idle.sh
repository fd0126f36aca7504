#!/bin/bash
# A server and a mount that have nothing to do use no CPU; the server's memory beside the pool is small.
. "$(dirname "$0")/harness.sh"
need_fuse
start_server 256M
mnt=$temp/mnt
start_mount_process "$mnt"
headers=linux
[ "$slower" -eq 1 ] || headers=linux/netfilter
cp -a /usr/include/$headers "$mnt/"

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
no_ticks() {
	sleep 1
	local before after
	before=$(ticks "$1")
	sleep 3
	after=$(ticks "$1")
	echo "$((after - before)) ticks in 3 s"
	[ $((after - before)) -le "${2:-0}" ]
}
memory() {
	local kib
	kib=$(awk '/^RssAnon|^RssFile/ {sum += $2} END {print sum}' "/proc/$server_pid/status")
	echo "$kib KiB beside the pool"
	[ "$kib" -le 32768 ]
}

check "an idle server uses no CPU" no_ticks "$server_pid"
check "an idle mount uses no CPU" no_ticks "$fsd_pid"
check "the server's memory beside the pool is 32 MiB at most" memory
finish
