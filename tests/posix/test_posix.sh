#!/bin/bash
# test_posix.sh PROVIDER AREA: the cases of AREA.py, on two mounts of one server.
. "$(dirname "$0")/../integration/harness.sh"
area=$(cd "$(dirname "$0")" && pwd)/$2.py
need_fuse
start_server 256M
case $2 in
acl) options=acl ;; # what these mounts are given besides
*) options= ;;
esac
start_mount "$temp/first" $options
start_mount "$temp/second" $options
if [ "$2" = times ]; then
	for rule in noatime nodiratime strictatime ro; do
		start_mount "$temp/$rule" "$rule"
	done
	export FARFS_RULED_MOUNTS=$temp
fi
export FARFS_MOUNT=$temp/first FARFS_SECOND_MOUNT=$temp/second
chmod 755 "$temp" # its cases act as other users, too
check_each python3 -B "$area"
finish
