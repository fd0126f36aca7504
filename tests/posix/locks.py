"""Advisory locks: fcntl(2) and flock(2), within a mount and across two."""
import errno
import fcntl
import os
import random
import signal
import struct
import threading
import time

from lockers import LATE_S, NONE, OFD, OFD_GET, OFD_WAITING, READ, RECORD, WAITING, WRITE, Locker, conflict, eventually, first_to_answer, record
from mounted import FIRST, SECOND, SLOWER, case, equal, opened, read, refuses, run, there, write

EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB
RDWR = os.O_RDWR
LAST = 2**63 - 1


def mount_paths():
    """The same file twice by one mount, and by both."""
    write("f", b"0" * 100)
    return [("f", "f"), ("f", there() + "/f"), (there() + "/f", "f")]


class Pair:
    """Two processes that have the file open."""

    def __init__(self, first, second, flags=RDWR):
        self.a, self.b = Locker(), Locker()
        self.fa, self.fb = self.a.open(first, flags), self.b.open(second, flags)

    def __enter__(self):
        return self.a, self.fa, self.b, self.fb

    def __exit__(self, *_):
        self.a.end()
        self.b.end()


def pairs(flags=RDWR):
    for first, second in mount_paths():
        with Pair(first, second, flags) as pair:
            yield pair


def taken(call, *arguments):
    refuses(errno.EAGAIN, call, *arguments)


# --- record locks ---


@case("a write lock excludes read and write locks of others, on its range alone")
def write_excludes():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE, 10, 10)
        taken(b.record, fb, RECORD, WRITE, 19, 1)
        taken(b.record, fb, RECORD, READ, 0, 11)
        taken(b.record, fb, RECORD, WRITE)
        b.record(fb, RECORD, WRITE, 20, 5)
        b.record(fb, RECORD, READ, 0, 10)
        taken(a.record, fa, RECORD, WRITE, 20, 1)


@case("read locks share; a write lock waits for all of them to go")
def read_shares():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, READ, 0, 10)
        b.record(fb, RECORD, READ, 5, 10)
        taken(a.record, fa, RECORD, WRITE, 0, 10)
        a.record(fa, RECORD, WRITE, 0, 5)
        b.record(fb, RECORD, NONE, 5, 10)
        a.record(fa, RECORD, WRITE, 0, 10)


@case("F_GETLK tells the first lock in the way: kind, range, and the process if it is of this mount")
def getlk():
    for a, fa, b, fb in pairs():
        equal(b.conflict(fb, WRITE), None)
        a.record(fa, RECORD, READ, 10, 10)
        a.record(fa, RECORD, WRITE, 40, 0)
        pid = a.pid if share_mount(a, fa, b, fb) else 0
        equal(b.conflict(fb, WRITE), (READ, 10, 10, pid))
        equal(b.conflict(fb, READ), (WRITE, 40, 0, pid))
        equal(b.conflict(fb, READ, 0, 40), None)
        equal(b.conflict(fb, WRITE, 20, 20), None)
        equal(a.conflict(fa, WRITE), None)


def share_mount(a, fa, b, fb):
    return os.stat(f"/proc/{a.pid}/fd/{fa}").st_dev == os.stat(f"/proc/{b.pid}/fd/{fb}").st_dev


@case("a process's own locks are never in its way: what it locks anew replaces what it had")
def replaces():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE, 0, 10)
        a.record(fa, RECORD, READ, 0, 10)  # downgraded
        b.record(fb, RECORD, READ, 0, 10)
        b.record(fb, RECORD, NONE, 0, 10)
        a.record(fa, RECORD, WRITE, 0, 10)  # and upgraded
        taken(b.record, fb, RECORD, READ, 0, 10)


@case("a range is split by unlocking its middle, and by another kind in its middle")
def splits():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE, 0, 100)
        a.record(fa, RECORD, NONE, 40, 20)
        equal(b.conflict(fb, WRITE)[:3], (WRITE, 0, 40))
        equal(b.conflict(fb, WRITE, 40, 0)[:3], (WRITE, 60, 40))
        b.record(fb, RECORD, WRITE, 40, 20)
        taken(b.record, fb, RECORD, WRITE, 39, 1)
        taken(b.record, fb, RECORD, WRITE, 60, 1)
        b.record(fb, RECORD, NONE)
        a.record(fa, RECORD, WRITE, 0, 100)
        a.record(fa, RECORD, READ, 10, 10)
        equal(b.conflict(fb, WRITE)[:3], (WRITE, 0, 10))
        equal(b.conflict(fb, WRITE, 10, 0)[:3], (READ, 10, 10))
        equal(b.conflict(fb, WRITE, 20, 0)[:3], (WRITE, 20, 80))


@case("ranges of one kind that touch or overlap become one")
def merges():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE, 0, 10)
        a.record(fa, RECORD, WRITE, 20, 10)
        equal(b.conflict(fb, WRITE)[:3], (WRITE, 0, 10))
        a.record(fa, RECORD, WRITE, 10, 10)
        equal(b.conflict(fb, WRITE)[:3], (WRITE, 0, 30))
        a.record(fa, RECORD, WRITE, 25, 0)
        equal(b.conflict(fb, WRITE)[:3], (WRITE, 0, 0))
        a.record(fa, RECORD, NONE)
        equal(b.conflict(fb, WRITE), None)


@case("locks reach to the largest offset, and beyond the end of the file")
def limits():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE, LAST, 1)
        equal(b.conflict(fb, WRITE)[:3], (WRITE, LAST, 0))
        taken(b.record, fb, RECORD, WRITE, 1000, 0)
        b.record(fb, RECORD, WRITE, 1000, LAST - 1000)
        refuses(errno.EOVERFLOW, a.record, fa, RECORD, WRITE, LAST, 2)
        refuses(errno.EINVAL, a.record, fa, RECORD, WRITE, 0, -1)


@case("a negative length locks what is before")
def negative():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE, 20, -10)
        equal(b.conflict(fb, WRITE)[:3], (WRITE, 10, 10))


@case("a read lock needs a file open for reading, a write lock one for writing: EBADF")
def access():
    write("f")
    with opened("f", os.O_RDONLY) as fd:
        refuses(errno.EBADF, record, fd, RECORD, WRITE)
        record(fd, RECORD, READ)
    with opened("f", os.O_WRONLY) as fd:
        refuses(errno.EBADF, record, fd, RECORD, READ)
        record(fd, RECORD, WRITE)
    refuses(errno.EBADF, record, fd, RECORD, NONE)


@case("closing any descriptor of the file ends all of the process's record locks on it, and no others'")
def closed():
    for a, fa, b, fb in pairs():
        other = a.dup(fa)
        a.record(fa, RECORD, WRITE, 0, 10)
        b.record(fb, RECORD, WRITE, 10, 10)
        a.close(other)
        b.record(fb, RECORD, WRITE, 0, 10)
        taken(a.record, fa, RECORD, WRITE, 10, 1)


@case("record locks are not inherited by a child, and stay when it ends")
def forked():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE)
        child = a.fork()
        os.kill(child, signal.SIGKILL)
        time.sleep(0.05)
        taken(b.record, fb, RECORD, WRITE)
        child = a.fork()
        a.close(fa)
        b.record(fb, RECORD, WRITE)
        os.kill(child, signal.SIGKILL)


@case("locks of a process end with it: by its exit, and by SIGKILL")
def ended():
    for number in (None, signal.SIGKILL):
        for first, second in mount_paths():
            a, b = Locker(), Locker()
            fa, fb = a.open(first, RDWR), b.open(second, RDWR)
            a.record(fa, RECORD, WRITE, 5, 5)
            a.flock(fa, EX)
            taken(b.record, fb, RECORD, WRITE)
            b.start("record", fb, WAITING, WRITE)
            assert b.waits()
            a.end(number)
            b.answer()
            b.flock(fb, EX)
            b.end()


# --- waiting ---


@case("who waits for a record lock gets it when it is free")
def waits():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE, 0, 10)
        b.start("record", fb, WAITING, READ, 5, 10)
        assert b.waits()
        a.record(fa, RECORD, NONE, 0, 5)
        assert b.waits()
        a.record(fa, RECORD, READ, 5, 5)
        b.answer()
        taken(a.record, fa, RECORD, WRITE, 5, 5)


@case("a signal ends a wait: EINTR, and the lock is never given to who has gone")
def interrupted():
    for a, fa, b, fb in pairs():
        for lock, wait in ((("record", fa, RECORD, WRITE), ("record", fb, WAITING, WRITE)), (("flock", fa, EX), ("flock", fb, EX))):
            a.start(*lock)
            a.answer()
            b.start(*wait)
            assert b.waits()
            b.signal()
            refuses(errno.EINTR, b.answer)
        a.record(fa, RECORD, NONE)
        a.flock(fa, UN)
        time.sleep(0.05)
        equal(a.conflict(fa, WRITE), None)
        a.flock(fa, EX | NB)


@case("who is killed while it waits is gone: the next one gets the lock")
def killed_waiting():
    for a, fa, b, fb in pairs():
        third = Locker()
        ft = third.open("f", RDWR)
        a.record(fa, RECORD, WRITE)
        third.start("record", ft, WAITING, WRITE)
        assert third.waits()
        b.start("record", fb, WAITING, WRITE)
        assert b.waits()
        third.end(signal.SIGKILL)
        assert b.waits()
        a.record(fa, RECORD, NONE)
        b.answer()


@case("a signal between many grants: each wait ends by one or the other, and nothing is left locked")
def interrupted_often():
    for a, fa, b, fb in pairs():
        for turn in range(40 // SLOWER):
            a.record(fa, WAITING, WRITE)
            b.start("record", fb, WAITING, WRITE)
            time.sleep(random.random() * 0.004)
            if turn % 2:
                b.signal()
            a.record(fa, RECORD, NONE)
            try:
                b.answer()
                b.record(fb, RECORD, NONE)
            except InterruptedError:
                pass
            equal(b.conflict(fb, WRITE), None)
            equal(a.conflict(fa, WRITE), None)


@case("any number of blocked processes stop nobody")
def many_blocked():
    write("f")
    holder = Locker()
    fd = holder.open("f", RDWR)
    holder.record(fd, RECORD, WRITE)
    blocked = [Locker() for _ in range(24)]
    for number, locker in enumerate(blocked):
        own = locker.open("f" if number % 2 else there() + "/f", RDWR)
        locker.start("record", own, WAITING, WRITE)
    assert all(locker.waits() for locker in blocked[:3])
    begin = time.monotonic()
    for number in range(50):
        write(f"g{number}", b"x")
        equal(read(there() + f"/g{number}"), b"x")
    assert time.monotonic() - begin < LATE_S / 4
    for locker in blocked[::2]:
        locker.end(signal.SIGKILL)
    holder.end()
    left = blocked[1::2]
    while left:
        locker = first_to_answer(left)
        locker.answer()
        locker.end()
        left.remove(locker)


@case("readers that come and go do not starve a writer")
def fair():
    if FIRST == SECOND:
        return  # not promised by a local file system
    write("f")
    stop = threading.Event()
    readers = [Locker() for _ in range(4)]
    fds = [locker.open("f" if number % 2 else there() + "/f", RDWR) for number, locker in enumerate(readers)]

    def go_on(locker, fd):
        while not stop.is_set():
            locker.record(fd, WAITING, READ)
            time.sleep(0.004)
            locker.record(fd, RECORD, NONE)

    threads = [threading.Thread(target=go_on, args=pair) for pair in zip(readers, fds)]
    for thread in threads:
        thread.start()
        time.sleep(0.001)
    writer = Locker()
    fd = writer.open("f", RDWR)
    try:
        for _ in range(10):
            begin = time.monotonic()
            writer.record(fd, WAITING, WRITE)
            assert time.monotonic() - begin < LATE_S / 4
            writer.record(fd, RECORD, NONE)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for locker in readers + [writer]:
        locker.end()


@case("two that wait for each other: the second is refused, EDEADLK, and keeps what it has")
def deadlock():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE, 0, 1)
        b.record(fb, RECORD, WRITE, 1, 1)
        a.start("record", fa, WAITING, WRITE, 1, 1)
        assert a.waits()
        refuses(errno.EDEADLK, b.record, fb, WAITING, WRITE, 0, 1)
        taken(b.record, fb, RECORD, WRITE, 0, 1)
        assert a.waits()
        b.record(fb, RECORD, NONE)
        a.answer()


@case("a circle of four over two files and two mounts is a deadlock; one that is open is none")
def circle():
    write("f")
    write("g")
    lockers = [Locker() for _ in range(4)]
    fds = [(locker.open(where + "f", RDWR), locker.open(where + "g", RDWR)) for locker, where in zip(lockers, ("", there() + "/") * 2)]
    for number, (locker, fd) in enumerate(zip(lockers, fds)):
        locker.record(fd[number % 2], RECORD, WRITE, number, 1)
    for number in range(3):
        after = number + 1
        lockers[number].start("record", fds[number][after % 2], WAITING, WRITE, after, 1)
        assert lockers[number].waits()
    refuses(errno.EDEADLK, lockers[3].record, fds[3][0], WAITING, WRITE, 0, 1)
    lockers[3].record(fds[3][0], WAITING, WRITE, 50, 1)
    lockers[3].end()
    for number in (2, 1, 0):
        lockers[number].answer()
        lockers[number].end()


# --- locks of open files ---


@case("an open file's own locks (F_OFD_SETLK) exclude other open files', of the same process too")
def ofd():
    write("f")
    for name in ("f", there() + "/f"):
        with opened("f") as one, opened(name) as other:
            record(one, OFD, WRITE, 0, 10)
            refuses(errno.EAGAIN, record, other, OFD, WRITE, 5, 10)
            refuses(errno.EAGAIN, record, other, RECORD, READ, 5, 10)
            equal(conflict(other, WRITE, how=OFD_GET), (WRITE, 0, 10, -1))
            record(other, OFD, READ, 10, 10)
            refuses(errno.EAGAIN, record, one, OFD, WRITE)
            record(one, OFD, NONE)
            record(other, OFD, WRITE)


@case("they are the file's: shared by descriptors and children, and ended with the last of them alone")
def ofd_ends():
    for a, fa, b, fb in pairs():
        copy = a.dup(fa)
        a.record(fa, OFD, WRITE)
        again = a.open("/proc/self/fd/%d" % fa, RDWR)
        a.close(again)  # would end a process's lock
        a.close(fa)
        taken(b.record, fb, OFD, WRITE)
        child = a.fork()
        a.close(copy)
        taken(b.record, fb, OFD, WRITE)
        b.start("record", fb, OFD_WAITING, WRITE)
        assert b.waits()
        os.kill(child, signal.SIGKILL)
        b.answer()


@case("an open file's lock ends with its close: the next try has it")
def ofd_closed():
    write("f")
    for _ in range(100 // SLOWER):
        one, other = os.open("f", RDWR), os.open("f", RDWR)
        record(one, OFD, WRITE)
        os.close(one)
        record(other, OFD, WRITE)
        os.close(other)


# --- flock ---


@case("flock: shared locks share, an exclusive one excludes, LOCK_NB does not wait")
def flocks():
    for a, fa, b, fb in pairs():
        a.flock(fa, SH)
        b.flock(fb, SH | NB)
        taken(a.flock, fa, EX | NB)
        b.flock(fb, UN)
        a.flock(fa, EX | NB)
        taken(b.flock, fb, SH | NB)
        a.flock(fa, UN)
        b.flock(fb, EX | NB)


@case("flock works on a file open for reading, too, and is no record lock")
def flock_reading():
    for a, fa, b, fb in pairs(os.O_RDONLY):
        a.flock(fa, EX)
        taken(b.flock, fb, SH | NB)
        b.record(fb, RECORD, READ)


@case("flock: a shared lock becomes exclusive, and the other way round; waiting meanwhile, it is given up")
def flock_converts():
    for a, fa, b, fb in pairs():
        a.flock(fa, EX)
        b.start("flock", fb, SH)
        assert b.waits()
        a.flock(fa, SH)
        b.answer()
        a.start("flock", fa, EX)
        assert a.waits()
        b.flock(fb, EX)  # nobody else has one
        assert a.waits()
        b.flock(fb, UN)
        a.answer()
        taken(b.flock, fb, SH | NB)


@case("a flock lock that cannot be converted without waiting is lost")
def flock_lost():
    for a, fa, b, fb in pairs():
        a.flock(fa, SH)
        b.flock(fb, SH)
        taken(a.flock, fa, EX | NB)
        b.flock(fb, EX | NB)


@case("a flock lock is the open file's: shared by descriptors and children, ended by LOCK_UN through any, or the last close")
def flock_shared():
    for a, fa, b, fb in pairs():
        copy = a.dup(fa)
        child = a.fork()
        a.flock(fa, EX)
        a.close(fa)
        taken(b.flock, fb, EX | NB)
        a.close(copy)
        taken(b.flock, fb, EX | NB)
        b.start("flock", fb, EX)
        assert b.waits()
        os.kill(child, signal.SIGKILL)
        b.answer()
        b.flock(fb, UN)
        fa = a.open("f", RDWR)
        copy = a.dup(fa)
        a.flock(fa, EX)
        a.flock(copy, UN)
        b.flock(fb, EX | NB)


@case("two open files of one process exclude each other; what is closed is free for the next try")
def flock_closed():
    write("f")
    for _ in range(100 // SLOWER):
        one, other = os.open("f", RDWR), os.open("f", RDWR)
        fcntl.flock(one, EX)
        refuses(errno.EAGAIN, fcntl.flock, other, EX | NB)
        os.close(one)
        fcntl.flock(other, EX | NB)
        os.close(other)


@case("what one mount has closed another one gets a moment later")
def flock_closed_there():
    write("f")
    for _ in range(20 // SLOWER + 1):
        with opened(there() + "/f") as other:
            one = os.open("f", RDWR)
            fcntl.flock(one, EX)
            os.close(one)
            eventually(fcntl.flock, other, EX | NB, limit_s=2 * SLOWER)


@case("locks of a file that is deleted go on, and a new one of its name has none")
def deleted():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE)
        a.flock(fa, EX)
        os.unlink("f")
        taken(b.record, fb, RECORD, WRITE)
        taken(b.flock, fb, SH | NB)
        write("f")
        with opened("f") as fd:
            record(fd, RECORD, WRITE)
            fcntl.flock(fd, EX | NB)


@case("lockf, as other programs have it: lock, test, try, unlock from the position on")
def lockf():
    for a, fa, b, fb in pairs():
        a.record(fa, RECORD, WRITE, 10, 5)
        with opened("f") as fd:
            refuses(errno.EAGAIN, fcntl.lockf, fd, EX | NB, 5, 10, 0)
            os.lseek(fd, 15, 0)
            fcntl.lockf(fd, EX | NB, 5, 0, 1)
            equal(b.conflict(fb, WRITE, 15, 5)[:3], (WRITE, 15, 5))
            fcntl.lockf(fd, UN, 5, 0, 1)
            equal(b.conflict(fb, WRITE, 15, 5), None)


# --- many ---


def add_up(path, how, number, turns):
    rng = random.Random(number)
    fd = os.open(path, RDWR)
    for _ in range(turns):
        if how == "flock":
            fcntl.flock(fd, EX)
        else:
            record(fd, OFD_WAITING if how == "ofd" else WAITING, WRITE, 0, 8)
        value = struct.unpack("<q", os.pread(fd, 8, 0))[0]
        if rng.random() < 0.2:
            time.sleep(rng.random() * 0.001)
        os.pwrite(fd, struct.pack("<q", value + 1), 0)
        if how == "flock":
            fcntl.flock(fd, UN)
        else:
            record(fd, OFD if how == "ofd" else RECORD, NONE, 0, 8)
    os.close(fd)


def storm(how):
    processes, turns = 8, 150 // SLOWER
    write("counter", struct.pack("<q", 0))
    pids = []
    for number in range(processes):
        pid = os.fork()
        if pid == 0:
            try:
                add_up("counter" if number % 2 else there() + "/counter", how, number, turns)
                os._exit(0)
            finally:
                os._exit(1)
        pids.append(pid)
    for pid in pids:
        equal(os.waitpid(pid, 0)[1], 0)
    equal(struct.unpack("<q", read("counter"))[0], processes * turns)


@case("processes of two mounts that count in a file under a record lock lose nothing")
def storm_record():
    storm("record")


@case("processes of two mounts that count in a file under a flock lock lose nothing")
def storm_flock():
    storm("flock")


@case("processes of two mounts that count in a file under an open file's lock lose nothing")
def storm_ofd():
    storm("ofd")


run()
