"""statx: the birth time, and masks."""
import ctypes
import errno
import os
import stat
import time

from mounted import AT_FDCWD, KERNEL, KINDS, Skipped, case, checked, equal, libc, make, opened, refuses, run, there, write

BASIC, BTIME, ALL = 0x7FF, 0x800, 0xFFF
AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, FORCE_SYNC, DONT_SYNC = 0x100, 0x1000, 0x2000, 0x4000


class Time(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_int64), ("ns", ctypes.c_uint32), ("_", ctypes.c_int32)]

    def __int__(self):
        return self.seconds * 10**9 + self.ns


class Statx(ctypes.Structure):
    _fields_ = [
        ("mask", ctypes.c_uint32),
        ("blksize", ctypes.c_uint32),
        ("attributes", ctypes.c_uint64),
        ("nlink", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("mode", ctypes.c_uint16),
        ("_0", ctypes.c_uint16),
        ("ino", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("blocks", ctypes.c_uint64),
        ("attributes_mask", ctypes.c_uint64),
        ("atime", Time),
        ("btime", Time),
        ("ctime", Time),
        ("mtime", Time),
        ("rdev_major", ctypes.c_uint32),
        ("rdev_minor", ctypes.c_uint32),
        ("dev_major", ctypes.c_uint32),
        ("dev_minor", ctypes.c_uint32),
        ("_1", ctypes.c_uint64 * 14),
    ]


def statx(path, mask=ALL, flags=AT_SYMLINK_NOFOLLOW, fd=AT_FDCWD):
    result = Statx()
    checked(libc.statx(fd, os.fsencode(path), flags, mask, ctypes.byref(result)))
    return result


def has_btime():
    """FUSE has it from Linux 6.6 on."""
    if KERNEL < (6, 6):
        raise Skipped("this kernel asks no FUSE file system for birth times")


@case("what statx tells is what stat tells, of every kind of object")
def same():
    for kind in KINDS:
        make(kind, kind, owner=(3, 4))
        old = os.lstat(kind)
        for flags in (0, FORCE_SYNC, DONT_SYNC):
            new = statx(kind, flags=AT_SYMLINK_NOFOLLOW | flags)
            equal(new.mask & BASIC, BASIC)
            equal((new.mode, new.nlink, new.uid, new.gid, new.ino), (old.st_mode, old.st_nlink, old.st_uid, old.st_gid, old.st_ino))
            equal((new.size, new.blocks, new.blksize), (old.st_size, old.st_blocks, old.st_blksize))
            equal((int(new.atime), int(new.mtime), int(new.ctime)), (old.st_atime_ns, old.st_mtime_ns, old.st_ctime_ns))
            equal((new.rdev_major, new.rdev_minor), (os.major(old.st_rdev), os.minor(old.st_rdev)))
            equal((new.dev_major, new.dev_minor), (os.major(old.st_dev), os.minor(old.st_dev)))


@case("every kind of object has a birth time, the same by both mounts")
def birth():
    has_btime()
    for kind in KINDS:
        before = time.time_ns()
        make(kind, kind)
        seen = statx(kind)
        equal(seen.mask & BTIME, BTIME)
        assert abs(int(seen.btime) - before) < 5 * 10**9, (int(seen.btime), before)
        equal(int(statx(os.path.join(there(), kind)).btime), int(seen.btime))


@case("nothing changes the birth time: writing, chmod, rename, link, utimensat")
def stays():
    has_btime()
    write("f", b"x")
    born = int(statx("f").btime)
    equal(born, int(statx("f").btime))
    for change in (
        lambda: write("f", b"more"),
        lambda: os.chmod("f", 0o600),
        lambda: os.utime("f", ns=(1, 2)),
        lambda: os.link("f", "g"),
        lambda: os.rename("f", "h"),
        lambda: os.rename("h", "f"),
        lambda: os.unlink("g"),
        lambda: os.truncate("f", 0),
    ):
        time.sleep(0.002)
        change()
        if os.path.exists("f"):
            equal(int(statx("f").btime), born)
    assert int(statx("f").ctime) > born
    os.unlink("f")
    write("f")
    assert int(statx("f").btime) > born


@case("by a descriptor, of a removed file, too")
def by_descriptor():
    has_btime()
    write("f", b"xyz")
    with opened("f") as fd:
        born = int(statx("f").btime)
        os.unlink("f")
        seen = statx("", flags=AT_EMPTY_PATH, fd=fd)
        equal((seen.nlink, seen.size, int(seen.btime)), (0, 3, born))


@case("times before 1970 come through")
def before_1970():
    write("f")
    os.utime("f", ns=(-5000000001, -1))
    seen = statx("f")
    equal((int(seen.atime), int(seen.mtime)), (-5000000001, -1))


@case("a mask without the birth time has the rest; links are followed or not; what is not there is ENOENT")
def masks():
    write("f", b"abc")
    os.symlink("f", "s")
    seen = statx("f", mask=BASIC)
    equal((seen.mask & BASIC, seen.size), (BASIC, 3))
    equal(stat.S_ISLNK(statx("s").mode), True)
    equal(statx("s", flags=0).size, 3)
    refuses(errno.ENOENT, statx, "none")
    refuses(errno.ENOTDIR, statx, "f/x")
    refuses(errno.EINVAL, statx, "f", 0x80000000)


run()
