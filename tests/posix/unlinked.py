"""Objects without a name that are open still."""
import errno
import os
import time

from mounted import AT_FDCWD, case, checked, equal, libc, opened, read, refuses, run, there, write

AT_SYMLINK_FOLLOW = 0x400


def link_open(fd, name):
    checked(libc.linkat(AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, os.fsencode(name), AT_SYMLINK_FOLLOW))


@case("an unlinked open file has no links and works on")
def file():
    write("f", b"still")
    with opened("f") as fd:
        os.unlink("f")
        equal((os.fstat(fd).st_nlink, os.fstat(fd).st_size), (0, 5))
        os.pwrite(fd, b" here", 5)
        equal(os.pread(fd, 100, 0), b"still here")
        os.ftruncate(fd, 5)
        equal(os.pread(fd, 100, 0), b"still")
        os.pwrite(fd, b"x" * 300000, 100000)
        equal((os.fstat(fd).st_size, os.pread(fd, 3, 399998)), (400000, b"xx"))
        os.ftruncate(fd, 0)
        equal(os.fstat(fd).st_blocks, 0)


@case("its attributes are read and changed by its descriptor")
def attributes():
    write("f")
    with opened("f") as fd:
        os.unlink("f")
        os.fchmod(fd, 0o4711)
        os.fchown(fd, 5, 6)
        os.utime(fd, ns=(7, 8))
        seen = os.fstat(fd)
        equal((seen.st_mode & 0o7777, seen.st_uid, seen.st_gid, seen.st_atime_ns, seen.st_mtime_ns), (0o711, 5, 6, 7, 8))


@case("unlinked by the other mount, it lives on here, and is gone there")
def by_other():
    write("f", b"still" * 2000)
    with opened("f") as fd:
        os.unlink(os.path.join(there(), "f"))
        refuses(errno.ENOENT, os.stat, "f")
        equal((os.pread(fd, 5, 9995), os.fstat(fd).st_nlink), (b"still", 0))
        os.pwrite(fd, b"more", 10000)
        equal(os.fstat(fd).st_size, 10004)


@case("a new file of the same name is another one")
def same_name():
    write("f", b"old")
    with opened("f") as old:
        os.unlink("f")
        write("f", b"new")
        os.pwrite(old, b"OLD", 0)
        equal((read("f"), os.pread(old, 10, 0)), (b"new", b"OLD"))
        assert os.fstat(old).st_ino != os.stat("f").st_ino


@case("ENOENT: what has no name left gets none")
def no_link():
    write("f")
    with opened("f") as fd:
        os.unlink("f")
        refuses(errno.ENOENT, link_open, fd, "g")
    equal(os.listdir("."), [])


@case("ENOENT: also when the other mount took the last name")
def no_link_by_other():
    write("f")
    with opened("f") as fd:
        os.unlink(os.path.join(there(), "f"))
        refuses(errno.ENOENT, link_open, fd, "g")
    equal(os.listdir("."), [])


@case("with a name left, its descriptor is linked")
def linked():
    write("f", b"x")
    with opened("f") as fd:
        link_open(fd, "g")
        os.unlink("f")
        equal(os.fstat(fd).st_nlink, 1)
        link_open(fd, "h")
    equal((read("h"), os.stat("g").st_nlink), (b"x", 2))


@case("a removed directory that is open is empty, with no links")
def directory():
    os.mkdir("d")
    fd = os.open("d", os.O_RDONLY)
    os.rmdir("d")
    equal((os.fstat(fd).st_nlink, os.listdir(fd)), (0, []))
    refuses(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    refuses(errno.ENOENT, os.mkdir, "x", dir_fd=fd)
    os.close(fd)


@case("a process's directory may go from under it")
def working_directory():
    os.mkdir("d")
    os.chdir("d")
    os.rmdir("../d")
    refuses(errno.ENOENT, os.getcwd)
    refuses(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_WRONLY)
    refuses(errno.ENOENT, os.mkdir, "x")
    equal(os.listdir("."), [])


@case("its space comes back when the last one closes it")
def space():
    before = os.statvfs(".").f_bfree
    write("f", b"x" * 4000000)
    with opened("f") as fd:
        os.unlink("f")
        assert before - os.statvfs(".").f_bfree >= 900
        os.fstat(fd)
    for _ in range(100):
        if before - os.statvfs(".").f_bfree < 500:
            return
        time.sleep(0.05)
    raise AssertionError(f"{before - os.statvfs('.').f_bfree} blocks are missing")


run()
