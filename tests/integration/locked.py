"""Parts of test_locks.sh that need an open file kept: locked.py CASE FILE..."""
import errno
import fcntl
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "posix"))
from lockers import WAITING, WRITE, eventually, record  # noqa: E402


def refused(code, call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        assert error.errno == code, error
    else:
        raise AssertionError(f"not refused: {errno.errorcode[code]} is due")


def say(text):
    print(text, flush=True)


def told():
    assert sys.stdin.readline(), "nobody tells what to do"


def hold(path):
    """Holds both kinds until it is told to end."""
    fd = os.open(path, os.O_RDWR)
    record(fd, WAITING, WRITE)
    fcntl.flock(fd, fcntl.LOCK_EX)
    say("locked")
    told()


def wait(path):
    """Waits for a record lock; how that ends is printed."""
    fd = os.open(path, os.O_RDWR)
    say("waiting")
    try:
        record(fd, WAITING, WRITE)
        say("locked")
        told()
    except OSError as error:
        say(errno.errorcode[error.errno])


def lose(path):
    """The server is another one when it is told to go on: locks are lost, and that is said."""
    fd, unlocked = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    other = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    record(other, 37, WRITE, 0, 10)  # F_OFD_SETLK
    say("locked")
    told()
    time.sleep(0.3)
    refused(errno.EIO, fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    refused(errno.EIO, record, other, 37, WRITE, 20, 10)
    fcntl.flock(fd, fcntl.LOCK_UN)  # that it has none any more it knows by now
    refused(errno.ESTALE, fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the file is gone with the old server
    refused(errno.ESTALE, fcntl.flock, unlocked, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(other)
    say("lost")


def outlive(path):
    """The server has ended the mount's session when it is told to go on: others may have had the lock meanwhile."""
    fd, unlocked = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.pwrite(fd, b"own", 0)
    say("locked")
    told()
    refused(errno.EIO, os.pread, fd, 3, 0)
    refused(errno.EIO, os.pwrite, fd, b"x", 0)
    refused(errno.EIO, fcntl.flock, fd, fcntl.LOCK_EX)
    assert os.pread(unlocked, 3, 0) == b"own"  # without a lock nothing was promised
    eventually(fcntl.flock, unlocked, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whoever had it meanwhile has closed the file, but that may not be known yet
    fcntl.flock(unlocked, fcntl.LOCK_UN)
    fcntl.flock(fd, fcntl.LOCK_UN)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert os.pread(fd, 3, 0) == b"own"
    say("again")


def insert(path, who, count):
    """A writer of a database that others write, too."""
    base = sqlite3.connect(path, timeout=60, isolation_level=None)
    for number in range(int(count)):
        base.execute("BEGIN IMMEDIATE")
        total = base.execute("SELECT total FROM sums").fetchone()[0]
        base.execute("INSERT INTO entries VALUES (?, ?)", (who, number))
        base.execute("UPDATE sums SET total = ?", (total + 1,))
        base.execute("COMMIT")
    base.close()


def prepare(path, mode):
    base = sqlite3.connect(path)
    assert base.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0] == mode
    base.execute("CREATE TABLE entries (who TEXT, number INTEGER, PRIMARY KEY (who, number))")
    base.execute("CREATE TABLE sums (total INTEGER)")
    base.execute("INSERT INTO sums VALUES (0)")
    base.commit()
    base.close()


def verify(path, count):
    base = sqlite3.connect(path, timeout=60)
    assert base.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert base.execute("SELECT total FROM sums").fetchone()[0] == int(count)
    assert base.execute("SELECT count(*) FROM entries").fetchone()[0] == int(count)
    base.close()


if __name__ == "__main__":
    {"hold": hold, "wait": wait, "lose": lose, "outlive": outlive, "insert": insert, "prepare": prepare, "verify": verify}[sys.argv[1]](*sys.argv[2:])
