"""Sizes, lengths and counts at their limits and one past them."""
import errno
import os
import resource
import signal

from mounted import FIRST, as_user, case, equal, opened, read, refuses, run, unchanged, write

FILE_MAX = (16 << 40) - 4096
IS_MOUNT = os.path.ismount(FIRST)


@case("a path has up to 4095 bytes: ENAMETOOLONG beyond")
def paths():
    part = "d" * 200
    here = os.getcwd()
    depth = 0
    while (depth + 1) * (len(part) + 1) < 4090:
        os.mkdir(part)
        os.chdir(part)
        depth += 1
    os.chdir(here)
    deep = "/".join([part] * depth) + "/"
    longest = deep + "n" * (4095 - len(deep))
    write(longest, b"x")
    equal((len(longest), read(longest)), (4095, b"x"))
    os.rename(longest, "short")
    os.rename("short", longest)
    os.unlink(longest)
    os.mkdir(longest)
    os.rmdir(longest)
    write("f")
    for call in (
        lambda path: os.stat(path),
        lambda path: os.open(path, os.O_CREAT | os.O_WRONLY),
        lambda path: os.mkdir(path),
        lambda path: os.rmdir(path),
        lambda path: os.mkfifo(path),
        lambda path: os.symlink("x", path),
        lambda path: os.readlink(path),
        lambda path: os.link("f", path),
        lambda path: os.link(path, "g"),
        lambda path: os.rename("f", path),
        lambda path: os.rename(path, "g"),
        lambda path: os.unlink(path),
        lambda path: os.chmod(path, 0o600),
        lambda path: os.chown(path, 0, 0),
        lambda path: os.truncate(path, 0),
        lambda path: os.utime(path),
    ):
        refuses(errno.ENAMETOOLONG, call, longest + "n")


@case("each call refuses a name of 256 bytes: ENAMETOOLONG")
def names():
    name = "n" * 256
    for call in (
        lambda: os.chmod(name, 0o600),
        lambda: os.chown(name, 0, 0),
        lambda: os.truncate(name, 0),
        lambda: os.utime(name),
        lambda: os.readlink(name),
        lambda: os.listdir(name),
        lambda: os.mknod(name, 0o600),
        lambda: os.link(name, "x"),
    ):
        refuses(errno.ENAMETOOLONG, call)


@case("a file has up to 16 TiB less a page, most of it holes: EFBIG beyond, and nothing changes")
def largest():
    if not IS_MOUNT:
        return
    write("f")
    os.truncate("f", FILE_MAX)
    equal(os.stat("f").st_size, FILE_MAX)
    with unchanged("f"):
        for size in (FILE_MAX + 1, 1 << 50, (1 << 63) - 1):
            refuses(errno.EFBIG, os.truncate, "f", size)
        with opened("f", os.O_WRONLY) as fd:
            refuses(errno.EFBIG, os.ftruncate, fd, FILE_MAX + 1)
            refuses(errno.EFBIG, os.pwrite, fd, b"x", FILE_MAX)
            refuses(errno.EFBIG, os.pwrite, fd, b"x", 1 << 62)
        with opened("f", os.O_WRONLY | os.O_APPEND) as fd:
            refuses(errno.EFBIG, os.write, fd, b"x")
    with opened("f") as fd:
        equal(os.pwrite(fd, b"end", FILE_MAX - 3), 3)
        equal(os.pread(fd, 10, FILE_MAX - 3), b"end")


@case("a write across the largest size writes what fits")
def across():
    if not IS_MOUNT:
        return
    write("f")
    for flags in (os.O_WRONLY, os.O_RDWR):
        with opened("f", flags) as fd:
            equal(os.pwrite(fd, b"x" * 100, FILE_MAX - 7), 7)
            equal(os.fstat(fd).st_size, FILE_MAX)
            os.ftruncate(fd, 0)


@case("EINVAL: negative sizes and offsets")
def negative():
    write("f", b"x")
    with unchanged("f"):
        refuses(errno.EINVAL, os.truncate, "f", -1)
        refuses(errno.EINVAL, os.truncate, "f", -(1 << 62))
        with opened("f") as fd:
            refuses(errno.EINVAL, os.ftruncate, fd, -1)
            refuses(errno.EINVAL, os.pread, fd, 1, -1)
            refuses(errno.EINVAL, os.pwrite, fd, b"x", -1)
            refuses(errno.EINVAL, os.lseek, fd, -1, os.SEEK_SET)


@case("RLIMIT_FSIZE: SIGXFSZ and EFBIG beyond, what fits before")
def rlimit():
    caught = []
    write("f")

    def limited(flags):
        with opened("f", os.O_RDWR | flags) as fd:
            equal(os.pwrite(fd, b"x" * 100, 9950), 50)
            refuses(errno.EFBIG, os.pwrite, fd, b"x", 10000)
            refuses(errno.EFBIG, os.ftruncate, fd, 10001)
            os.ftruncate(fd, 10000)

    def signals():
        return len(caught)  # handlers run where a function begins

    signal.signal(signal.SIGXFSZ, lambda *_: caught.append(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10000, hard))
    limited(0)
    refuses(errno.EFBIG, os.truncate, "f", 10001)
    equal(signals(), 3)
    write("log", b"x" * 9990)
    with opened("log", os.O_WRONLY | os.O_APPEND) as fd:
        equal(os.write(fd, b"y" * 100), 10)
        refuses(errno.EFBIG, os.write, fd, b"y")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    equal((os.stat("f").st_size, os.stat("log").st_size), (10000, 10000))


@case("sizes over 2 and 4 GiB, by offset and by seeking")
def large_offsets():
    write("f")
    with opened("f") as fd:
        for offset in ((1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40):
            os.pwrite(fd, b"ab", offset)
            equal((os.fstat(fd).st_size, os.pread(fd, 5, offset - 2)), (offset + 2, b"\0\0ab"))
            os.lseek(fd, offset, os.SEEK_SET)
            equal(os.read(fd, 2), b"ab")
            os.ftruncate(fd, 0)


@case("sizes change by truncate and ftruncate as asked, with zeros where nothing was")
def truncate():
    write("h", b"A" * 10000)
    os.truncate("h", 5000)
    equal(read("h"), b"A" * 5000)
    os.truncate("h", 9000)
    equal(read("h"), b"A" * 5000 + bytes(4000))
    with opened("h") as fd:
        os.ftruncate(fd, 100000)
        os.ftruncate(fd, 5001)
        os.ftruncate(fd, 6000)
    equal(read("h"), b"A" * 5000 + bytes(1000))
    os.truncate("h", 0)
    equal(read("h"), b"")
    for data in (b"one", b"two"):
        with open("h", "ab") as file:
            file.write(data)
    equal(read("h"), b"onetwo")


@case("a hole of a GiB takes no room and reads as zeros")
def hole():
    write("h", b"onetwo")
    with open("h", "r+b") as file:
        file.seek(1 << 30)
        file.write(b"far")
    seen = os.stat("h")
    equal(seen.st_size, (1 << 30) + 3)
    assert seen.st_blocks * 512 < 100000, seen.st_blocks
    with open("h", "rb") as file:
        file.seek(4000000)
        equal(file.read(10), bytes(10))


@case("truncate refuses what is no file: EISDIR, EINVAL; by no writer EACCES")
def truncate_refuses():
    os.mkdir("d")
    os.mkfifo("p")
    write("f", b"x", 0o444)
    refuses(errno.EISDIR, os.truncate, "d", 0)
    refuses(errno.EINVAL, os.truncate, "p", 0)
    refuses(errno.EACCES, as_user, 65534, 65534, os.truncate, "f", 0)
    refuses(errno.ENOENT, os.truncate, "none", 0)
    refuses(errno.ENOTDIR, os.truncate, "f/x", 0)
    equal(read("f"), b"x")


@case("content of every length around every limit")
def lengths():
    sizes = (0, 1, 15, 16, 127, 128, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192, 65535, 65536, 1048575, 1048576, 1048577, 3000001)
    for size in sizes:
        data = os.urandom(size)
        write("f", data)
        equal(read("f") == data, True)
        with open("f", "r+b") as file:
            file.seek(size // 2)
            file.write(b"!")
        data = data[: size // 2] + b"!" + data[size // 2 + 1 :]
        equal((size, read("f") == data), (size, True))


@case("statfs tells the pool's size, what is free, and the longest name")
def statfs():
    before = os.statvfs(".")
    equal(before.f_namemax, 255)
    if IS_MOUNT:
        equal(before.f_blocks * before.f_frsize, 256 << 20)
    assert 0 < before.f_bavail <= before.f_bfree <= before.f_blocks and before.f_ffree > 0
    write("f", b"x" * 4000000)
    after = os.statvfs(".")
    assert before.f_bfree - after.f_bfree >= 900, (before.f_bfree, after.f_bfree)
    equal(os.pathconf(".", "PC_NAME_MAX"), 255)


@case("ENOSPC: a full pool refuses, keeps what is there, and goes on when there is room")
def full():
    if not IS_MOUNT:
        return
    write("kept", b"kept" * 1000)
    os.mkdir("d")
    try:
        for number in range(100):
            write(f"d/{number}", b"x" * (8 << 20))
    except OSError as error:
        equal(error.errno, errno.ENOSPC)
    else:
        raise AssertionError("never full")
    equal(read("kept"), b"kept" * 1000)
    os.unlink("d/0")
    write("again", b"again" * 1000)
    equal(read("again"), b"again" * 1000)


run()
