#!/bin/bash
# test_cli.sh, which wants a server, with one.
. "$(dirname "$0")/harness.sh"
start_server 512M
"$here/test_cli.sh"
exit $?
