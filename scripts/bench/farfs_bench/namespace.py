"""A mount namespace of the run's own: what it mounts is gone with its last process, even if that is killed."""
import os
import sys

MARK = "FARFS_BENCH_NAMESPACE"


def enter():
    """Runs the same command again inside of one, as the same process."""
    if os.environ.pop(MARK, None):
        return
    os.environ[MARK] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--", sys.executable, *sys.argv])
