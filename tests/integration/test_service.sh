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

check "the limit of open descriptors is raised" raises_descriptors
check "a low hard limit of descriptors is warned of" warns_of_few_descriptors
finish
