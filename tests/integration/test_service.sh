#!/bin/bash
# far-server as a service: what it needs of the process it runs in.
. "$(dirname "$0")/harness.sh"

# limited SOFT HARD COMMAND...: runs it with these limits of open descriptors.
limited() {
	ulimit -Sn "$1" && ulimit -Hn "$2" || return
	shift 2
	"$@"
}

# soft_limit PID: how many descriptors the process may open.
soft_limit() {
	awk '/^Max open files/ {print $4}' "/proc/$1/limits"
}

# With a low soft limit the server still has room for many lanes.
raises_descriptors() {
	hard=$(ulimit -Hn)
	limited 64 "$hard" start_server 16M
	[ "$(soft_limit "$server_pid")" = "$hard" ]
	stop_server
}

# Too low a hard limit is told, and is no reason not to serve.
warns_of_few_descriptors() {
	: >"$temp/server.log"
	limited 64 128 start_server 16M
	[ "$(soft_limit "$server_pid")" = 128 ]
	grep -E '^warning .*descriptors.* limit=128 needed=[0-9]+$' "$temp/server.log"
	"$FAR" ping -c 1
	stop_server
}

# What the build installs, in a folder of the test: the unit names a program that is there, and systemd finds nothing to complain of.
unit_is_valid() {
	DESTDIR=$temp/root meson install -C "$FARFS_BUILD" --no-rebuild --quiet
	unit=$(find "$temp/root" -name far-server.service)
	sed -i "s|^ExecStart=|&$temp/root|" "$unit"
	[ -x "$(sed -n 's/^ExecStart=//p' "$unit")" ]
	systemd-analyze verify --man=no "$unit" >"$temp/verify" 2>&1
	refuse grep far-server "$temp/verify" # warnings leave the status at 0; those of other units are not ours
}

tells_systemd() {
	case $provider in
	shm) listen=shm://$temp/notified.sock ;;
	*) listen=tcp://127.0.0.1:0 ;;
	esac
	python3 "$here/notified.py" "$FAR_SERVER" "$FAR" "$listen"
}

# The sample with all its defaults written out, but for the port, which may be taken.
sample_is_accepted() {
	sed 's/^#\([a-z-]* = \)/\1/; s/:7440$/:0/' "$here/../../server/server.conf" >"$temp/server.conf"
	grep '^eager-limit = ' "$temp/server.conf"
	start_server 16M --config "$temp/server.conf"
	"$FAR" ping -c 1
	stop_server
}

check "the limit of open descriptors is raised" raises_descriptors
check "a low hard limit of descriptors is warned of" warns_of_few_descriptors
if [ -z "${FARFS_BUILD:-}" ] || ! type -p systemd-analyze meson >/dev/null; then
	skip "the installed unit is valid" "needs systemd-analyze, meson and a build folder"
else
	check "the installed unit is valid" unit_is_valid
fi
check "systemd is told of readiness and of the end" tells_systemd
check "the sample configuration is accepted" sample_is_accepted
finish
