#!/bin/bash
# Every public call of libfar, linked as users link it.
. "$(dirname "$0")/harness.sh"
: "${FAR_TEST_LIBFAR:=$here/../../build/tests/integration/test_libfar}"
start_server $((slower > 1 ? 192 : 512))M
check "test_libfar" "$FAR_TEST_LIBFAR"
finish
