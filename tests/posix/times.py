"""Times: what they can be set to, and which of them each call changes on what."""
import errno
import os
import time

from mounted import KINDS, as_user, case, equal, make, opened, read, refuses, remove, renameat2, run, there, touches, unchanged, write

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
