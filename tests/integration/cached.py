"""Cases of test_cached.sh: cached.py CASE MOUNT [OTHER_MOUNT]"""
import errno
import fcntl
import mmap
import os
import sys
import time

case, a = sys.argv[1:3]
b = sys.argv[3] if len(sys.argv) > 3 else None
SLOWER = int(os.environ.get("slower", "1"))  # harness.sh
PAGE = 4096


def equal(seen, wanted):
    assert seen == wanted, f"{seen!r} instead of {wanted!r}"


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def messages(kind=None):
    """Of the mount's kernel to far-fsd so far, without those that ask this."""
    lines = os.getxattr(a, "user.far.mount").decode().splitlines()
    counts = dict(line.split(" ", 1) for line in lines if line)
    if kind:
        return int(counts.get(f"messages.{kind}", 0))
    return int(counts["messages"]) - int(counts.get("messages.getxattr", 0))


def asked(function, kind=None, times=100):
    for _ in range(3):  # what reading changes is asked for once more
        function()
    before = messages(kind)
    for _ in range(times):
        function()
    return messages(kind) - before


def open_read_close(path):
    fd = os.open(path, os.O_RDONLY)
    data = os.read(fd, 1 << 20)
    os.close(fd)
    return data


# --- mounts that share ---


def kept():
    write(f"{b}/kept", b"k" * 3 * PAGE)
    moves_access_time("kept")  # as long as a read would, it is not answered from the cache
    equal(asked(lambda: equal(open_read_close(f"{a}/kept"), b"k" * 3 * PAGE), "read"), 0)
    assert asked(lambda: open_read_close(f"{a}/kept"), "open") >= 100  # the kernel has asked


def seen_at_once():
    """Even where neither size nor times tell."""
    path = f"{b}/seen"
    write(path, b"0" * PAGE)
    info = os.stat(path)
    fd = os.open(path, os.O_WRONLY)
    for number in range(2000 // SLOWER):
        data = b"%04096d" % number
        os.pwrite(fd, data, 0)
        os.utime(path, ns=(info.st_atime_ns + 10**9, info.st_mtime_ns))
        equal(read(f"{a}/seen"), data)
        if number % 2:
            equal(read(f"{a}/seen"), data)
    os.close(fd)


def replaced():
    for number in range(300 // SLOWER):
        data = b"%0100d" % number
        write(f"{b}/replaced.new", data)
        if number % 3 == 0:
            os.rename(f"{b}/replaced.new", f"{b}/replaced")
        elif number % 3 == 1:
            os.truncate(f"{b}/replaced", 0)
            write(f"{b}/replaced", data)
        else:
            os.unlink(f"{b}/replaced")
            os.link(f"{b}/replaced.new", f"{b}/replaced")
        equal(read(f"{a}/replaced"), data)
        equal(read(f"{a}/replaced"), data)


def own_writes():
    """Of the mount that reads, by its cache and past it."""
    buffer = mmap.mmap(-1, PAGE)
    write(f"{a}/own", b"0" * PAGE)
    for number in range(100):
        data = b"%04096d" % number
        fd = os.open(f"{a}/own", os.O_RDWR | (os.O_DIRECT if number % 2 else 0))
        buffer[:] = data
        os.pwritev(fd, [buffer], 0)
        os.close(fd)
        equal(read(f"{a}/own"), data)
        equal(read(f"{b}/own"), data)


def access_times():
    write(f"{b}/times", b"t" * PAGE)
    read(f"{a}/times")
    read(f"{a}/times")
    os.utime(f"{b}/times", ns=(0, os.stat(f"{b}/times").st_mtime_ns))
    moves_access_time("times")  # what is cached is good, but then nobody would know that it is read


def moves_access_time(name):
    before = os.stat(f"{b}/{name}").st_atime_ns
    until(lambda: read(f"{a}/{name}") and os.stat(f"{b}/{name}").st_atime_ns > before)


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never came about"
        time.sleep(0.02)


def strict():
    write(f"{b}/strict", b"s")
    equal(asked(lambda: open_read_close(f"{a}/strict"), "read", 20), 20)


def fsync_asks_nothing():
    fd = os.open(f"{a}/synced", os.O_RDWR | os.O_CREAT)
    folder = os.open(a, os.O_RDONLY)
    os.write(fd, b"s")
    equal(asked(lambda: (os.fsync(fd), os.fdatasync(fd)), "fsync"), 0)
    equal(asked(lambda: os.fsync(folder), "fsyncdir"), 0)
    equal(read(f"{b}/synced"), b"s")


def closes_silently():
    write(f"{a}/closed", b"c")
    equal(asked(lambda: open_read_close(f"{a}/closed"), "flush"), 0)


# --- a mount that is alone ---


def asks_nothing():
    write(f"{a}/file", b"f" * PAGE)
    os.symlink("file", f"{a}/link")
    os.mkdir(f"{a}/folder")
    for number in range(50):
        write(f"{a}/folder/{number}", b"")
    names = sorted(str(number) for number in range(50))
    equal(asked(lambda: equal(open_read_close(f"{a}/file"), b"f" * PAGE)), 0)
    equal(asked(lambda: equal(open_read_close(f"{a}/link"), b"f" * PAGE)), 0)
    equal(asked(lambda: equal(os.stat(f"{a}/file").st_size, PAGE)), 0)
    equal(asked(lambda: equal(os.path.exists(f"{a}/none"), False)), 0)
    equal(asked(lambda: equal(sorted(os.listdir(f"{a}/folder")), names)), 0)


def own_changes():
    for number in range(50):
        data = b"%0200d" % number
        write(f"{a}/own", data)
        equal(read(f"{a}/own"), data)
        equal(os.stat(f"{a}/own").st_size, 200)
        os.rename(f"{a}/own", f"{a}/other")
        equal((os.path.exists(f"{a}/own"), read(f"{a}/other")), (False, data))
        os.link(f"{a}/other", f"{a}/own")
        equal(os.stat(f"{a}/own").st_nlink, 2)
        os.unlink(f"{a}/other")
        equal((os.path.exists(f"{a}/other"), os.stat(f"{a}/own").st_nlink), (False, 1))
        with open(f"{a}/own", "ab") as file:
            file.write(b"more")
        equal(read(f"{a}/own"), data + b"more")
        os.truncate(f"{a}/own", 10)
        equal(read(f"{a}/own"), data[:10])
        os.chmod(f"{a}/own", 0o600 + number % 2)
        equal(os.stat(f"{a}/own").st_mode & 0o777, 0o600 + number % 2)
        os.mkdir(f"{a}/made")
        equal("made" in os.listdir(a), True)
        os.rmdir(f"{a}/made")
        equal("made" in os.listdir(a), False)


def direct():
    fd = os.open(f"{a}/direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    buffer = mmap.mmap(-1, 4 * PAGE)
    buffer[:] = b"d" * 4 * PAGE
    equal(os.pwritev(fd, [buffer], 0), 4 * PAGE)
    equal(read(f"{a}/direct"), b"d" * 4 * PAGE)
    write(f"{a}/direct", b"e" * 4 * PAGE)
    equal(os.preadv(fd, [buffer], 0), 4 * PAGE)
    equal(buffer[:], b"e" * 4 * PAGE)


def unlinked():
    fd = os.open(f"{a}/gone", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"g" * 100000)
    os.unlink(f"{a}/gone")
    equal(os.pread(fd, 100000, 0), b"g" * 100000)
    equal(os.fstat(fd).st_nlink, 0)
    os.close(fd)


def locks():
    """Of this mount alone: its own processes exclude each other, and a close unlocks."""
    write(f"{a}/locked", b"")
    with open(f"{a}/locked", "r+b") as ours, open(f"{b}/locked", "r+b") as theirs, open(f"{a}/locked", "r+b") as again:
        fcntl.flock(ours, fcntl.LOCK_EX)
        fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise AssertionError("two have the lock")
        except OSError as error:
            equal(error.errno, errno.EWOULDBLOCK)
        ours.close()
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- alone for a second at a time ---


def seen_later():
    """What the other mount changes is seen when the second is over."""
    write(f"{b}/later", b"old" * 100)
    equal(read(f"{a}/later"), b"old" * 100)
    equal(os.path.exists(f"{a}/new"), False)
    write(f"{b}/later", b"new" * 100)
    write(f"{b}/new", b"")
    time.sleep(1.1)
    equal(read(f"{a}/later"), b"new" * 100)
    equal(os.path.exists(f"{a}/new"), True)
    os.unlink(f"{b}/new")
    time.sleep(1.1)
    equal(os.path.exists(f"{a}/new"), False)


globals()[case]()
