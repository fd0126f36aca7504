#!/bin/bash
# far repl: scripts through a pipe, and a user at a terminal (repl_terminal.py).
. "$(dirname "$0")/harness.sh"
start_server 64M
cd "$temp" || bail "no folder"
printf 'first\n' >one
printf 'other bytes\n' >'two words'
mkdir folder
cp one folder/
export FARFS_HISTORY=$temp/state/history

# repl LINE... [-- OPTION...]: runs the lines as a script. Output in out, messages in err, exit status in status.
repl() {
	local lines=()

	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		lines+=("$1")
		shift
	done
	status=0
	printf '%s\n' "${lines[@]}" | "$FAR" repl "${@:2}" >out 2>err || status=$?
}

runs_all_over_one_session() {
	local before

	before=$(server_sessions)
	repl 'put one a/one' 'get a/one' 'ls -U a' 'stat --json a/one' 'mv a/one a/two' 'get a/two' 'put one b' 'put one b' 'rm -r a' 'ls'
	[ "$status" -eq 0 ]
	grep -c first out | grep -qx 2
	grep -qx a/one out
	[ "$(tail -1 out)" = b ]
	[ ! -s err ]
	# One session was opened for all of it, and is over.
	[ $(($(server_sessions) - before)) -eq 2 ]
	"$FAR" rm b
}

# Sessions that were ever opened, the one that asks included, as the log tells them.
server_sessions() {
	"$FAR" df >/dev/null
	grep -c 'session began' "$temp/server.log"
}

quotes_as_a_shell_does() {
	repl "put 'two words' \"a \\\"b\\\"\"" "get a\\ \\\"b\\\"" "# get nothing" "  ls # all" '' "rm 'a \"b\"'"
	[ "$status" -eq 0 ]
	[ "$(cat out)" = "other bytes
a \"b\"" ]
}

stops_at_the_first_failure() {
	repl 'put one x' 'get missing' 'rm x'
	[ "$status" -eq 4 ]
	grep -q 'missing' err
	grep -q 'line 2 failed' err
	"$FAR" get x | cmp - one
}

goes_on_where_told() {
	repl 'get missing' 'nonsense' 'ls --fly' 'rm x' 'get x' 'ls' -- --keep-going
	[ "$status" -eq 4 ]
	refuse "$FAR" stat x
	grep -q 'nonsense: no such command' err
	grep -q 'far ls: --fly: no such option' err
	refuse grep -q failed err
}

wrong_lines_are_wrong_usage() {
	for line in "get 'open" 'get "open' 'get \' 'exit now' 'repl'; do
		repl "$line"
		[ "$status" -eq 2 ]
		[ -s err ]
	done
	printf 'ls\0x\n' | "$FAR" repl 2>err && return 1
	grep -q 'zero byte' err
}

help_ends_the_command_alone() {
	repl 'get --help' 'help put' 'ls --usage' 'help' 'put one h' 'get h' 'rm h'
	[ "$status" -eq 0 ]
	grep -q '^Usage: far get' out
	grep -q '^Usage: far put' out
	[ "$(tail -1 out)" = first ]
}

a_command_reads_what_follows_its_line() {
	repl 'put - value' 'this is' 'the value'
	[ "$status" -eq 0 ]
	[ "$("$FAR" get value)" = 'this is
the value' ]
	"$FAR" rm value
}

exit_ends() {
	repl 'put one e' 'exit' 'rm e'
	[ "$status" -eq 0 ]
	"$FAR" rm e
}

every_command_runs_again_and_again() {
	repl 'ping -q -c 2 -i 0' 'ping -q -c 2 -i 0' 'bench --ops=get,put --sizes=64 --keys=10 --seconds=0.02' 'bench --ops=ping --sizes=64 --seconds=0.02 --csv' 'df' 'df -h' \
		'fsck -q' 'fsck -q' 'mkdir d/e' 'mkdir d/e' 'cas k 0 one' 'rm k' 'cas k 0 one' 'put -r folder tree' 'get -r tree got' 'rm -r tree d k' 'version' 'ls'
	[ "$status" -eq 0 ]
	cmp one got/one
	rm -r got
	[ "$(tail -1 out | cut -c1-4)" = 'far ' ]
}

another_server_is_for_one_command() {
	repl "ls -s tcp://127.0.0.1:1" "df" -- --keep-going
	[ "$status" -eq 1 ]
	[ "$(wc -l <err)" -eq 1 ]
	grep -qi total out
}

no_server_is_a_failure() {
	status=0
	FARFS_SERVER=tcp://127.0.0.1:1 "$FAR" repl <<<ls 2>err || status=$?
	[ "$status" -eq 1 ]
	[ "$(wc -l <err)" -eq 1 ]
}

terminal() { FAR=$FAR timeout 200 python3 "$here/repl_terminal.py" "$@"; }

check 'a script runs over one session' runs_all_over_one_session
check 'words are quoted as in a shell' quotes_as_a_shell_does
check 'a script stops at the first failure, with its status' stops_at_the_first_failure
check '--keep-going goes on, and tells the last failure' goes_on_where_told
check 'wrong lines are wrong usage' wrong_lines_are_wrong_usage
check 'help ends the command alone' help_ends_the_command_alone
check 'a command reads what follows its line' a_command_reads_what_follows_its_line
check 'exit ends, and is no failure' exit_ends
check 'every command runs again and again' every_command_runs_again_and_again
check 'another server is for one command' another_server_is_for_one_command
check 'no server is a failure' no_server_is_a_failure
if [ "$FAR_HAS_EDITING" = yes ]; then
	printf 'first\n' | "$FAR" put - models/alpha.bin
	printf 'first\n' | "$FAR" put - models/alpine.bin
	printf 'first\n' | "$FAR" put - 'models/with blank'
	for name in prompt completion history interrupt; do
		check "at a terminal: $name" terminal $name
	done
	"$FAR" rm -r models
fi
finish
