#!/bin/bash
# test_cli.sh, which wants a server, with one.
. "$(dirname "$0")/harness.sh"
start_server 512M
"$here/test_cli.sh"
status=$?
# The plan is printed: what goes wrong at the end is the script's status alone.
ends_cleanly >&2 || status=1
exit $status
