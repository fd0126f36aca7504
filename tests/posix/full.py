"""A full pool in the middle of each call: ENOSPC, nothing lost, all goes on, and the space comes back."""
import contextlib
import errno
import mmap
import os
import subprocess
import time

from mounted import (FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, FIRST, case, equal, fallocate, opened, read, refuses, run,
                     there, unchanged, write)

PAGE = 4096
MIB = 1 << 20
PUNCH = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE
ON_FARFS = any(line.split()[1:3] == [FIRST, "fuse.farfs"] for line in open("/proc/self/mounts"))  # elsewhere the cases are compared


def free_pages():
    return os.statvfs(FIRST).f_bfree


def available_pages():
    """Without what mounts have been granted for their next writes."""
    return os.statvfs(FIRST).f_bavail


def fill(fd):
    """Writes until nothing more fits. Returns the size."""
    at = os.fstat(fd).st_size
    for piece in (MIB, 64 << 10, PAGE):
        data = b"f" * piece
        with contextlib.suppress(OSError):
            while True:
                at += os.pwrite(fd, data, at)
    return at


def fill_names():
    """Empty files until even for them there is no room. Returns how many."""
    os.mkdir("names")
    for number in range(10_000_000):
        try:
            os.close(os.open(f"names/{number}", os.O_CREAT | os.O_WRONLY | os.O_EXCL))
        except OSError as error:
            equal(error.errno, errno.ENOSPC)
            return number


@contextlib.contextmanager
def full(*, leave=0):
    """No page is free but `leave`; later, all are back that were free before."""
    with opened("filler", os.O_RDWR | os.O_CREAT) as fd:
        try:
            size = fill(fd)
            if leave:
                os.ftruncate(fd, size - leave * PAGE)
            yield fd
        finally:
            os.ftruncate(fd, 0)
            os.unlink("filler")


@contextlib.contextmanager
def comes_back():
    """The pool has as much free behind this as before; files are removed within."""
    before = free_pages()
    yield
    for _ in range(100):
        if free_pages() >= before - 16:
            return
        time.sleep(0.1)
    raise AssertionError(f"{before - free_pages()} pages are not back")


def remove(*names):
    """Removes files, and has the other mount notice: what its kernel remembers it holds."""
    for name in names:
        os.unlink(name)
        refuses(errno.ENOENT, os.lstat, os.path.join(there(), name))


def goes_on():
    """Command, this mount and the other still work, with a pool that is full."""
    if ON_FARFS:
        subprocess.run([os.environ["FAR"], "ls"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([os.environ["FAR"], "ping", "-c", "1"], check=True, stdout=subprocess.DEVNULL)
    assert os.listdir(".") == os.listdir(there())


def out_of_space(call, *arguments):
    refuses(errno.ENOSPC, call, *arguments)


def runs_out(call, *arguments):
    """Sooner or later: each thread of a mount has some memory in hand."""

    def again():
        for _ in range(100):
            call(*arguments)

    refuses(errno.ENOSPC, again)


@case("write: short, then ENOSPC; what was written is there, what was there is untouched, and with space it goes on")
def writes():
    with comes_back():
        write("old", b"o" * (4 * MIB + 5))
        with full(leave=10), opened("f", os.O_RDWR | os.O_CREAT) as fd:
            written = 0
            try:
                while True:
                    written += os.pwrite(fd, b"w" * MIB, written)
            except OSError as error:
                equal(error.errno, errno.ENOSPC)
            assert 0 < written < 64 * MIB, written
            equal((os.fstat(fd).st_size, read(there() + "/f") == b"w" * written), (written, True))
            equal(read("old"), b"o" * (4 * MIB + 5))
            goes_on()
            remove("old")
            for _ in range(200):
                if available_pages() > MIB // PAGE:  # each lane that asks meanwhile is granted a quarter of what is free, for its own next writes
                    break
                time.sleep(0.1)
            equal(os.pwrite(fd, b"w" * (MIB // 2), written), MIB // 2)
        remove("f")


@case("write: O_DIRECT and O_APPEND run full as others do")
def other_writes():
    with comes_back():
        buffer = mmap.mmap(-1, MIB)
        with full(leave=3):
            for flags in (os.O_DIRECT, os.O_APPEND):
                with opened("f", os.O_WRONLY | os.O_CREAT | flags) as fd:
                    runs_out(os.writev, fd, [buffer])
                    equal(os.fstat(fd).st_size, len(read(there() + "/f")))
                remove("f")


@case("write: pages that are there can be written, and so can what fallocate reserved")
def overwrites():
    with comes_back():
        with opened("f", os.O_RDWR | os.O_CREAT) as fd:
            os.pwrite(fd, b"a" * (2 * MIB), 0)
            fallocate(fd, FALLOC_KEEP_SIZE, 4 * MIB, 2 * MIB)
            fallocate(fd, 0, 2 * MIB, MIB)
            with full():
                for at in range(0, 3 * MIB, 300_000):
                    length = min(300_000, 3 * MIB - at)
                    equal(os.pwrite(fd, b"b" * length, at), length)
                for at in range(4 * MIB, 6 * MIB, 65536):
                    equal(os.pwrite(fd, b"c" * 65536, at), 65536)
                equal(os.pread(fd, 6 * MIB, 0), b"b" * (3 * MIB) + bytes(MIB) + b"c" * (2 * MIB))
                goes_on()
        remove("f")


@case("fallocate: ENOSPC, and nothing has changed, in each mode, for much too much and for a page too much")
def fallocates():
    with comes_back():
        write("f", b"x" * (10 * PAGE + 7))
        write("small", b"s" * 100)
        with opened("f") as fd, opened("small") as small, full(leave=6000):
            assert available_pages() > 500
            for flags in (0, FALLOC_KEEP_SIZE) + ((FALLOC_ZERO_RANGE, FALLOC_ZERO_RANGE | FALLOC_KEEP_SIZE) if ON_FARFS else ()):
                with unchanged("f", "small"):
                    free = available_pages()
                    for pages in (free + 20, free + 10_000, 1 << 26):
                        out_of_space(fallocate, fd, flags, 5, pages * PAGE)
                        out_of_space(fallocate, small, flags, 0, pages * PAGE)
                equal(read("f"), b"x" * (10 * PAGE + 7))
            goes_on()
            fallocate(fd, 0, 0, 400 * PAGE)
            equal(os.fstat(fd).st_size, 400 * PAGE)
        equal(read(there() + "/f"), b"x" * (10 * PAGE + 7) + bytes(390 * PAGE - 7))
        remove("f")
        remove("small")


@case("fallocate: PUNCH_HOLE works in a full pool, and what it frees can be used at once")
def punches():
    with comes_back():
        with opened("f", os.O_RDWR | os.O_CREAT) as fd:
            os.pwrite(fd, b"x" * (2 * MIB), 0)
            group = 8 * PAGE
            for number in range(32):  # a file with holes has a map with room for more
                fallocate(fd, PUNCH, number * group + PAGE, 3 * PAGE)
            with full():
                for number in range(32, 62):
                    fallocate(fd, PUNCH, number * group + PAGE, 3 * PAGE)
                equal(os.pread(fd, group, 50 * group), b"x" * PAGE + bytes(3 * PAGE) + b"x" * (4 * PAGE))
                equal(os.fstat(fd).st_blocks, (64 * 8 - 62 * 3) * 8)
                fallocate(fd, PUNCH, 0, 2 * MIB)
                equal(os.fstat(fd).st_blocks, 0)
                equal(os.pwrite(fd, b"y" * PAGE, 5 * PAGE), PAGE)
                with opened("g", os.O_RDWR | os.O_CREAT) as other:
                    equal(os.pwrite(other, b"g" * PAGE, 0), PAGE)
                remove("g")
        remove("f")


@case("fallocate: PUNCH_HOLE where not even a small block is free: zeros, whether or not pages come back")
def punches_last():
    if not ON_FARFS:
        return
    with comes_back():
        with opened("f", os.O_RDWR | os.O_CREAT) as fd:
            os.pwrite(fd, b"x" * (4 * MIB), 0)
            with full():
                fill_names()
                for at in range(0, 4 * MIB, 8 * PAGE):
                    fallocate(fd, PUNCH, at + PAGE + 10, 4 * PAGE)
                equal(os.pread(fd, 4 * MIB, 0), (b"x" * (PAGE + 10) + bytes(4 * PAGE) + b"x" * (3 * PAGE - 10)) * 128)
                goes_on()
                subprocess.run(["rm", "-rf", "names"], check=True)
        remove("f")


@case("truncate: up needs no memory; down and to nothing gives it back")
def truncates():
    with comes_back():
        write("f", b"x" * (24 * MIB))
        write("s", b"s" * 3000)
        with full():
            os.truncate("f", 1 << 40)
            os.truncate("f", MIB)
            equal(read("f"), b"x" * MIB)
            with opened("g", os.O_RDWR | os.O_CREAT) as fd:
                equal(os.pwrite(fd, b"g" * (MIB // 2), 0), MIB // 2)
            os.truncate("s", 10)
            equal(read("s"), b"s" * 10)
            write("f", b"new")
            equal(read("f"), b"new")
        remove("f", "g", "s")


@case("create, mkdir, mknod, symlink, link: ENOSPC, and no name is left; unlink and rmdir work")
def names():
    with comes_back():
        write("f", b"x")
        with full():
            if not ON_FARFS:
                return
            made = fill_names()
            calls = {
                "create": lambda path: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)),
                "mkdir": os.mkdir,
                "mknod": os.mkfifo,
                "symlink": lambda path: os.symlink("t" * 4000, path),
                "link": lambda path: os.link("f", path),
            }
            links = 0
            for what, call in calls.items():
                done = 0
                with opened(".", os.O_RDONLY):
                    while True:
                        path = f"names/{what}-{done}" + "n" * 200
                        try:
                            call(path)
                        except OSError as error:
                            equal((what, error.errno), (what, errno.ENOSPC))
                            break
                        done += 1
                refuses(errno.ENOENT, os.lstat, path)
                refuses(errno.ENOENT, os.lstat, there() + "/" + path)
                links += done if what == "link" else 0
                made += done
            equal(len(os.listdir("names")), made)
            equal(os.stat("f").st_nlink, 1 + links)
            goes_on()
            subprocess.run(["rm", "-rf", "names"], check=True)
            os.mkdir("d")
            os.rmdir("d")
        remove("f")


@case("rename: done, or ENOSPC with both names as they were")
def renames():
    with comes_back():
        os.mkdir("a")
        os.mkdir("b")
        for number in range(300):
            write(f"a/{number}", b"%d" % number)
        write("b/1", b"over")
        with full():
            if ON_FARFS:
                fill_names()
            moved = refused = 0
            for number in range(300):
                old, new = f"a/{number}", f"b/{number}" + "n" * (number % 200)
                try:
                    os.rename(old, new)
                    moved += 1
                    refuses(errno.ENOENT, os.lstat, old)
                    equal(read(new), b"%d" % number)
                except OSError as error:
                    equal(error.errno, errno.ENOSPC)
                    refused += 1
                    equal(read(old), b"%d" % number)
            equal(len(os.listdir("a")), refused)
            goes_on()
        subprocess.run(["rm", "-rf", "a", "b", "names"], check=True)


@case("copy_file_range: short, then ENOSPC; what was copied is right")
def copies():
    with comes_back():
        data = os.urandom(PAGE) * 1024
        write("a", data)
        with opened("a", os.O_RDONLY) as source, opened("b", os.O_RDWR | os.O_CREAT) as target, full(leave=200):
            done = 0
            try:
                while done < len(data):
                    done += os.copy_file_range(source, target, len(data) - done, done, done)
            except OSError as error:
                equal(error.errno, errno.ENOSPC)
            assert 0 < done < len(data), done
            equal(read(there() + "/b"), data[:done])
            equal(read("a"), data)
            goes_on()
        equal(subprocess.run(["cp", "a", "b"], check=False).returncode, 0)
        equal(read("b"), data)
        remove("a")
        remove("b")


@case("a mapping's pages that find no room: msync or fsync says so, and the daemon goes on")
def mapped():
    with comes_back():
        with opened("f", os.O_RDWR | os.O_CREAT) as fd:
            os.ftruncate(fd, 20 * MIB)
            with full():
                with mmap.mmap(fd, 20 * MIB) as view:
                    if ON_FARFS:
                        view[:] = b"x" * (20 * MIB)
                        try:
                            view.flush()
                            raise AssertionError("flushed into nothing")
                        except OSError as error:
                            assert error.errno in (errno.ENOSPC, errno.EIO), error
                goes_on()
            os.ftruncate(fd, 0)
        remove("f")


@case("far put into a full pool: an error, and the old value stays")
def puts():
    if not ON_FARFS:
        return
    key = os.path.relpath(os.getcwd(), FIRST) + "/value"
    with comes_back():
        write("value", b"old")
        with full():
            done = subprocess.run([os.environ["FAR"], "put", key, "-"], input=b"n" * (16 * MIB), check=False, capture_output=True)
            assert done.returncode != 0
            equal(read("value"), b"old")
        remove("value")


run()
