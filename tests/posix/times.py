"""Times: what they can be set to, and which of them each call changes on what."""
import errno
import mmap
import os
import time

from mounted import FIRST, KINDS, Skipped, as_user, case, equal, make, opened, read, refuses, remove, renameat2, run, there, touches, unchanged, write

SECOND = 10**9
USER = 65534
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


def times(path):
    status = os.lstat(path)
    return status.st_atime_ns, status.st_mtime_ns


def utimensat(path, atime, mtime, follow=True):
    """Seconds and nanoseconds as they are, for UTIME_NOW and UTIME_OMIT."""
    import ctypes

    from mounted import AT_FDCWD, checked, libc

    values = (ctypes.c_int64 * 4)(*atime, *mtime)
    checked(libc.utimensat(AT_FDCWD, os.fsencode(path), values, 0 if follow else 0x100))


# --- setting ---


@case("times have nanoseconds, of every kind of object, links themselves included")
def nanoseconds():
    for kind in KINDS:
        make(kind, kind)
        with touches(kind, mtime=True, ctime=True):
            os.utime(kind, ns=(123456789, 2000000000987654321), follow_symlinks=False)
        equal(times(kind), (123456789, 2000000000987654321))
        equal(times(os.path.join(there(), kind)), (123456789, 2000000000987654321))


@case("times before 1970 and past 2038, 2106 and 2200")
def far_times():
    write("f")
    for ns in (
        (0, 0),
        (-1, -1000000001),
        (-5000000001, -999999999),
        (-(2**31) * SECOND, -(2**31) * SECOND - 1),
        (2**31 * SECOND, 2**31 * SECOND - 1),
        (2**32 * SECOND, 2**32 * SECOND + 1),
        (7258118400123456789, 4102444800987654321),
    ):
        os.utime("f", ns=ns)
        equal(times("f"), ns)
        equal(times(os.path.join(there(), "f")), ns)


@case("UTIME_NOW sets the time of the call, UTIME_OMIT leaves what is there")
def now_and_omit():
    write("f")
    os.utime("f", ns=(5, 6))
    before = time.time_ns()
    utimensat("f", (0, UTIME_NOW), (0, UTIME_OMIT))
    equal(times("f")[1], 6)
    assert abs(times("f")[0] - before) < 5 * SECOND
    os.utime("f", ns=(5, 6))
    utimensat("f", (0, UTIME_OMIT), (0, UTIME_NOW))
    equal(times("f")[0], 5)
    assert abs(times("f")[1] - before) < 5 * SECOND
    utimensat("f", (9, 1), (0, UTIME_OMIT))
    equal(times("f")[0], 9 * SECOND + 1)
    with touches("f", mtime=False, ctime=True):
        utimensat("f", (8, 1), (0, UTIME_OMIT))
    with unchanged("f"):
        utimensat("f", (0, UTIME_OMIT), (0, UTIME_OMIT))
    os.utime("f", ns=(5, 6))
    os.utime("f")
    assert all(abs(seen - time.time_ns()) < 5 * SECOND for seen in times("f"))


@case("utimensat follows links, or does not: AT_SYMLINK_NOFOLLOW")
def links():
    write("f")
    os.symlink("f", "s")
    os.utime("f", ns=(1, 2))
    os.utime("s", ns=(3, 4), follow_symlinks=False)
    equal((times("f"), times("s")), ((1, 2), (3, 4)))
    os.utime("s", ns=(5, 6))
    equal((times("f"), times("s")[1]), ((5, 6), 4))


@case("nanoseconds out of range are refused: EINVAL")
def out_of_range():
    write("f")
    with unchanged("f"):
        refuses(errno.EINVAL, utimensat, "f", (0, SECOND), (0, 0))
        refuses(errno.EINVAL, utimensat, "f", (0, 0), (0, -1))


# --- which times a call changes on the object ---


def changes(mtime, ctime, *calls, path="f"):
    for number, call in enumerate(calls):
        try:
            with touches(path, mtime=mtime, ctime=ctime):
                call()
        except AssertionError as error:
            raise AssertionError(f"call {number}: {error}")


@case("chmod, chown, link, unlink, rename and utimensat change the change time alone")
def status_changes():
    write("f")
    changes(
        False,
        True,
        lambda: os.chmod("f", 0o600),
        lambda: os.chown("f", 1, 1),
        lambda: os.link("f", "g"),
        lambda: os.unlink("g"),
        lambda: os.utime("f", ns=(0, os.lstat("f").st_mtime_ns)),
    )
    before = os.lstat("f")
    time.sleep(0.002)
    os.rename("f", "g")
    after = os.lstat("g")
    equal((after.st_mtime_ns == before.st_mtime_ns, after.st_ctime_ns > before.st_ctime_ns), (True, True))


@case("write, truncate, ftruncate and O_TRUNC change modification and change time, even where the size stays")
def content_changes():
    write("f", b"x" * 100)
    with opened("f") as fd, opened("f", os.O_WRONLY | os.O_APPEND) as log:
        changes(
            True,
            True,
            lambda: os.write(fd, b"y"),
            lambda: os.pwrite(fd, b"y", 50),
            lambda: os.write(log, b"y"),
            lambda: os.ftruncate(fd, 10),
            lambda: os.ftruncate(fd, 10),
            lambda: os.truncate("f", 20000),
            lambda: os.truncate("f", 0),
            lambda: os.close(os.open("f", os.O_WRONLY | os.O_TRUNC)),
            lambda: os.close(os.open("f", os.O_WRONLY | os.O_TRUNC | os.O_CREAT)),
        )


@case("reading, opening, and a write of nothing change neither modification nor change time")
def no_changes():
    write("f", b"x")
    os.mkdir("d")
    os.symlink("f", "s")
    with unchanged("f", "d", "s", "."), opened("f") as fd:
        read("f")
        os.write(fd, b"")
        os.listdir("d")
        os.readlink("s")
        os.access("f", os.R_OK)
        os.close(os.open("f", os.O_CREAT | os.O_RDWR))


@case("a new object has all its times, about now, and they are the parent's")
def birth():
    for kind in KINDS:
        before = time.time_ns()
        make(kind, kind)
        status = os.lstat(kind)
        assert abs(status.st_ctime_ns - before) < 5 * SECOND
        equal(status.st_atime_ns, status.st_mtime_ns)
        if kind != "socket":
            equal((status.st_mtime_ns), (status.st_ctime_ns))
        assert os.lstat(".").st_mtime_ns >= status.st_mtime_ns


# --- the access time ---


def atime(path):
    return os.lstat(path).st_atime_ns


def look(path, flags=0):
    """Reads by a call that reaches the file system, not the kernel's cache: O_DIRECT."""
    with opened(path, os.O_RDONLY | os.O_DIRECT | flags) as fd:
        os.preadv(fd, [mmap.mmap(-1, 4096)], 0)


READS = (("f", look), ("f", read), ("d", os.listdir), ("s", os.readlink))


def objects():
    write("f", b"x" * 10000)
    os.mkdir("d")
    write("d/x")
    os.symlink("f", "s")


def moves(path, call, seen=None):
    """The call moves the access time of what the path names, to about now, and nothing else; a moment may pass until it is seen."""
    seen = seen or path
    before = os.lstat(seen)
    time.sleep(0.03)  # one that was moved just now is not moved again
    call(path)
    for _ in range(1000):
        after = os.lstat(seen)
        if after.st_atime_ns != before.st_atime_ns:
            break
        time.sleep(0.005)
    assert after.st_atime_ns != before.st_atime_ns, f"{path}: the access time has not moved"
    assert abs(after.st_atime_ns - time.time_ns()) < 10 * SECOND, f"{path}: {after.st_atime_ns}"
    equal((after.st_mtime_ns, after.st_ctime_ns), (before.st_mtime_ns, before.st_ctime_ns))


def stays(path, call, seen=None):
    before = atime(seen or path)
    call(path)
    time.sleep(0.1)  # longer than it takes where it moves
    equal(atime(seen or path), before)


def is_settled(path):
    """Access time behind the others, as a read a while ago leaves it."""
    return atime(path) > max(os.lstat(path).st_mtime_ns, os.lstat(path).st_ctime_ns)


def by(rule, path=""):
    """The case's directory, or what is in it, by the mount that has this option."""
    if "FARFS_RULED_MOUNTS" not in os.environ:
        raise Skipped("needs mounts with options")
    return os.path.join(os.environ["FARFS_RULED_MOUNTS"], rule, os.path.relpath(os.getcwd(), FIRST), path)


@case("reading a file, a directory and a link moves its access time, and no other, if that is not behind modification and change")
def access_moves():
    objects()
    for path, call in READS:
        os.utime(path, ns=(1, 2), follow_symlinks=False)
        moves(path, call)
        assert is_settled(path), path
        os.utime(path, ns=(time.time_ns() - SECOND, 2), follow_symlinks=False)  # change is behind it
        moves(path, call)
    os.utime("s", ns=(1, 2), follow_symlinks=False)
    moves("s", os.stat)  # following it reads it


@case("reading once more moves no access time")
def access_once():
    objects()
    for path, call in READS:
        os.utime(path, ns=(1, 2), follow_symlinks=False)
        moves(path, call)
        stays(path, call)


@case("a write makes the next read move the access time")
def access_after_write():
    objects()
    for call in (look, read):
        for change in (lambda: write("f", b"y" * 5000), lambda: os.truncate("f", 4000), lambda: write(os.path.join(there(), "f"), b"z" * 6000)):
            change()
            moves("f", call)
            stays("f", call)
    moves("d", os.listdir)
    write("d/new")
    moves("d", os.listdir)
    os.chmod("d", 0o700)
    moves("d", os.listdir)
    with opened("f", os.O_RDWR | os.O_DIRECT) as fd:  # no call but reads and writes
        page = mmap.mmap(-1, 4096)
        before = atime("f")
        time.sleep(0.03)
        os.pwritev(fd, [page], 0)
        os.preadv(fd, [page], 0)
        for _ in range(1000):
            if os.fstat(fd).st_atime_ns > before:
                return
            time.sleep(0.005)
    raise AssertionError("the access time has not moved")


@case("writing, opening, closing, stat, access, O_NOATIME and reading 0 bytes move no access time")
def access_stays():
    objects()
    os.utime("f", ns=(5, 6))
    os.utime("d", ns=(5, 6))
    with opened("f") as fd:
        os.write(fd, b"y")
        os.read(fd, 0)
        os.ftruncate(fd, 5000)
    write("d/y")
    for path in ("f", "d"):
        stays(path, os.stat)
        stays(path, lambda path: os.access(path, os.R_OK))
        stays(path, lambda path: os.chmod(path, 0o755))
    stays("f", lambda path: look(path, os.O_NOATIME))
    fd = os.open("d", os.O_RDONLY | os.O_NOATIME)
    stays("d", lambda path: os.listdir(fd))
    os.close(fd)
    equal((atime("f"), atime("d")), (5, 5))


@case("an access time that was set ahead of the others stays")
def access_set():
    objects()
    ahead = time.time_ns() + 1000 * SECOND  # behind the change that setting it is
    for path, call in READS:
        os.utime(path, ns=(ahead, 2), follow_symlinks=False)
        stays(path, call)
        equal(atime(path), ahead)


@case("a read at the end of file moves the access time if it passes the kernel's cache")
def access_end():
    write("f")
    os.utime("f", ns=(1, 2))
    moves("f", look)


@case("what one mount reads has its access time by the other")
def access_both():
    objects()
    for path, call in READS:
        os.utime(path, ns=(1, 2), follow_symlinks=False)
        moves(path, call, seen=os.path.join(there(), path))
        stays(os.path.join(there(), path), call)


@case("noatime and ro: reading moves no access time")
def access_never():
    objects()
    for rule in ("noatime", "ro"):
        for path, call in READS:
            os.utime(path, ns=(1, 2), follow_symlinks=False)
            stays(by(rule, path), call)
            equal(atime(path), 1)


@case("nodiratime: reading a directory moves no access time, reading others does")
def access_of_directories():
    objects()
    for path, call in READS:
        os.utime(path, ns=(1, 2), follow_symlinks=False)
        (stays if path == "d" else moves)(by("nodiratime", path), call)


@case("strictatime: each read that passes the kernel's cache moves the access time")
def access_strictly():
    objects()
    for path, call in (("f", look), ("d", os.listdir), ("s", os.readlink)):
        for _ in range(3):
            moves(by("strictatime", path), call)
    stays(by("strictatime", "f"), lambda path: look(path, os.O_NOATIME))


# --- on the parents ---


@case("making a name changes modification and change time of its directory")
def parent_made():
    write("f")
    os.mkdir("p")
    for kind in KINDS:
        changes(True, True, lambda: make(kind, "p/" + kind), path="p")
    changes(True, True, lambda: os.link("f", "p/link"), path="p")
    for kind in KINDS:
        changes(True, True, lambda: remove("p/" + kind), path="p")


@case("rename changes modification and change time of both directories, EXCHANGE too")
def parent_renamed():
    os.mkdir("p")
    os.mkdir("q")
    for kind in ("regular", "directory", "symlink"):
        make(kind, "p/x")
        with touches("p", mtime=True, ctime=True), touches("q", mtime=True, ctime=True):
            os.rename("p/x", "q/x")
        changes(True, True, lambda: os.rename("q/x", "q/y"), path="q")
        write("p/z")
        with touches("p", mtime=True, ctime=True), touches("q", mtime=True, ctime=True):
            renameat2("p/z", "q/y", 2)
        remove("p/z")
        os.unlink("q/y")


@case("what happens below, and to what is there, changes nothing of a directory")
def parent_same():
    os.mkdir("p")
    os.mkdir("p/d")
    write("p/f")
    with unchanged("."):
        write("p/g")
        os.unlink("p/g")
    with unchanged("p"):
        write("p/f", b"x")
        os.chmod("p/f", 0o600)
        os.utime("p/f", ns=(1, 1))
        os.truncate("p/f", 0)
        os.close(os.open("p/f", os.O_CREAT | os.O_RDWR))
        write("p/d/new")
    with unchanged("p/d"):
        os.rename("p/d", "p/d")


@case("a moved directory keeps its modification time")
def moved_directory():
    os.mkdir("p")
    os.mkdir("d")
    before = os.lstat("d").st_mtime_ns
    time.sleep(0.002)
    os.rename("d", "p/d")
    equal(os.lstat("p/d").st_mtime_ns, before)


# --- failures ---


@case("a call that fails changes no time, of the object or of its directory")
def failures():
    for name in ("d", "d/sub", "e"):
        os.mkdir(name)
    write("d/sub/x")
    write("d/f")
    write("e/f")
    os.chmod("d/f", 0o600)
    with unchanged("d", "d/f", "d/sub", "e", "e/f"):
        refuses(errno.EEXIST, os.mkdir, "d/f")
        refuses(errno.EEXIST, os.mkfifo, "d/f")
        refuses(errno.EEXIST, os.symlink, "x", "d/f")
        refuses(errno.EEXIST, os.link, "e/f", "d/f")
        refuses(errno.EEXIST, os.open, "d/f", os.O_CREAT | os.O_EXCL)
        refuses(errno.EEXIST, renameat2, "e/f", "d/f", 1)
        refuses(errno.ENOENT, renameat2, "e/f", "d/none", 2)
        refuses(errno.ENOENT, os.unlink, "d/none")
        refuses(errno.ENOENT, os.rename, "d/none", "e/none")
        refuses(errno.ENOTEMPTY, os.rmdir, "d/sub")
        refuses(errno.ENOTDIR, os.rmdir, "d/f")
        refuses(errno.EISDIR, os.unlink, "d/sub")
        refuses(errno.EISDIR, os.rename, "d/f", "d/sub")
        refuses(errno.EISDIR, os.truncate, "d/sub", 0)
        refuses(errno.EINVAL, os.truncate, "d/f", -1)
        refuses(errno.EPERM, as_user, USER, USER, os.chmod, "d/f", 0o777)
        refuses(errno.EPERM, as_user, USER, USER, os.chown, "d/f", USER, USER)
        refuses(errno.EACCES, as_user, USER, USER, os.truncate, "d/f", 0)
        refuses(errno.EPERM, as_user, USER, USER, os.link, "d", "e/d")
        refuses(errno.EACCES, as_user, USER, USER, os.unlink, "d/f")


@case("what one mount changes has its times by the other at once")
def both_mounts():
    write("f")
    other = os.path.join(there(), "f")
    for change in (lambda: write("f", b"1"), lambda: os.chmod(other, 0o600), lambda: write(other, b"22"), lambda: os.truncate("f", 5)):
        change()
        seen, by_other = os.lstat("f"), os.lstat(other)
        equal((seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size), (by_other.st_mtime_ns, by_other.st_ctime_ns, by_other.st_size))


run()
