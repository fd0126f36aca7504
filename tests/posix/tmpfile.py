"""O_TMPFILE: files that begin without a name."""
import errno
import os
import stat
import time

from mounted import AT_FDCWD, as_user, case, checked, equal, libc, opened, read, refuses, run, there, touches, unchanged, write

AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = 0x400, 0x1000
USER, GROUP = 65534, 65532


def nameless(folder=".", flags=os.O_RDWR, mode=0o644):
    return opened(folder, os.O_TMPFILE | flags, mode)


def link_path(fd, name):
    checked(libc.linkat(AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, os.fsencode(name), AT_SYMLINK_FOLLOW))


def link_fd(fd, name):
    checked(libc.linkat(fd, b"", AT_FDCWD, os.fsencode(name), AT_EMPTY_PATH))


@case("it has no name and no links, and is read and written")
def no_name():
    with unchanged("."), nameless() as fd:
        seen = os.fstat(fd)
        equal((seen.st_nlink, seen.st_size, seen.st_mode), (0, 0, stat.S_IFREG | 0o644))
        for data in (b"short", b"longer" * 500, b"long" * 100000):
            os.pwrite(fd, data, 0)
            equal(os.pread(fd, len(data) + 1, 0), data)
        os.ftruncate(fd, 3)
        os.fchmod(fd, 0o600)
        equal((os.fstat(fd).st_size, stat.S_IMODE(os.fstat(fd).st_mode)), (3, 0o600))
        equal((os.listdir("."), os.listdir(there())), ([], []))


@case("linkat gives it a name, by /proc/self/fd and by AT_EMPTY_PATH")
def link():
    for number, way in enumerate((link_path, link_fd)):
        for size in (0, 5, 3000, 300000):
            name = f"{number}-{size}"
            data = os.urandom(size)
            with nameless() as fd:
                os.write(fd, data)
                with touches(".", mtime=True, ctime=True):
                    way(fd, name)
                equal(os.fstat(fd).st_nlink, 1)
                equal(os.fstat(fd).st_ino, os.stat(name).st_ino)
                equal((read(name), read(os.path.join(there(), name))), (data, data))
                os.pwrite(fd, b"on", 0)
            equal(read(name), b"on" + data[2:])
    equal(len(os.listdir(".")), 8)


@case("once it has a name it is as any file: more links, rename, unlink")
def as_any():
    os.mkdir("d")
    with nameless() as fd:
        os.write(fd, b"content")
        link_path(fd, "d/first")
        link_path(fd, "second")
        equal(os.fstat(fd).st_nlink, 2)
    os.unlink("d/first")
    os.rename("second", "d/" + "third" * 40)
    equal(read("d/" + "third" * 40), b"content")
    os.link("d/" + "third" * 40, "fourth")
    os.unlink("d/" + "third" * 40)
    equal((read("fourth"), os.stat("fourth").st_nlink), (b"content", 1))
    os.unlink("fourth")
    equal(os.listdir("d"), [])


@case("a long name, and a taken one: EEXIST")
def names():
    with nameless() as fd:
        os.write(fd, b"x")
        write("taken")
        with unchanged("taken", "."):
            refuses(errno.EEXIST, link_path, fd, "taken")
            refuses(errno.ENAMETOOLONG, link_path, fd, "n" * 256)
            refuses(errno.ENOENT, link_path, fd, "none/x")
        equal(os.fstat(fd).st_nlink, 0)
        link_path(fd, "n" * 255)
    equal(read("n" * 255), b"x")


@case("with O_EXCL it never gets a name: ENOENT")
def exclusive():
    with nameless(flags=os.O_RDWR | os.O_EXCL) as fd:
        os.write(fd, b"x")
        refuses(errno.ENOENT, link_path, fd, "f")
        refuses(errno.ENOENT, link_fd, fd, "f")
        equal(os.pread(fd, 5, 0), b"x")
    equal(os.listdir("."), [])


@case("ENOENT: a name that it had and lost is the last")
def lost():
    with nameless() as fd:
        link_path(fd, "f")
        os.unlink("f")
        equal(os.fstat(fd).st_nlink, 0)
        refuses(errno.ENOENT, link_path, fd, "f")
    with nameless() as fd:
        link_path(fd, "f")
        os.unlink(os.path.join(there(), "f"))
        refuses(errno.ENOENT, link_path, fd, "f")
    equal(os.listdir("."), [])


@case("closed without a name it is gone, and its space is back")
def gone():
    before = os.statvfs(".").f_bfree
    with nameless() as fd:
        os.write(fd, b"x" * 4000000)
        assert before - os.statvfs(".").f_bfree >= 900
    for _ in range(100):
        if before - os.statvfs(".").f_bfree < 500:
            return
        time.sleep(0.05)
    raise AssertionError("space is missing")


@case("mode, umask, owner, and the group of a set-gid directory")
def ownership():
    os.umask(0o027)
    with nameless(mode=0o666) as fd:
        equal(stat.S_IMODE(os.fstat(fd).st_mode), 0o640)
    with nameless(mode=0) as fd:
        os.write(fd, b"its maker may")
        equal((stat.S_IMODE(os.fstat(fd).st_mode), os.pread(fd, 3, 0)), (0, b"its"))
    os.mkdir("d")
    os.chown("d", 0, GROUP)
    os.chmod("d", 0o2777)

    def by_user():
        with nameless("d") as fd:
            equal((os.fstat(fd).st_uid, os.fstat(fd).st_gid), (USER, GROUP))
        with nameless(".") as fd:
            equal((os.fstat(fd).st_uid, os.fstat(fd).st_gid), (USER, USER))
            link_path(fd, "his")

    as_user(USER, USER, by_user)
    equal(os.stat("his").st_uid, USER)


@case("refusals: no write access EINVAL, no directory ENOTDIR, none there ENOENT, no permission EACCES")
def refusals():
    write("f")
    os.mkdir("d", 0o755)
    refuses(errno.EINVAL, os.open, ".", os.O_TMPFILE | os.O_RDONLY)
    refuses(errno.ENOTDIR, os.open, "f", os.O_TMPFILE | os.O_RDWR)
    refuses(errno.ENOENT, os.open, "none", os.O_TMPFILE | os.O_RDWR)
    refuses(errno.EACCES, as_user, USER, USER, os.open, "d", os.O_TMPFILE | os.O_RDWR)


@case("O_WRONLY, and a second descriptor by /proc/self/fd")
def descriptors():
    with nameless(flags=os.O_WRONLY) as fd:
        os.write(fd, b"x")
        refuses(errno.EBADF, os.read, fd, 1)
        with opened(f"/proc/self/fd/{fd}", os.O_RDONLY) as reader:
            equal(os.read(reader, 5), b"x")


@case("many at a time, each its own")
def many():
    fds = [os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600) for _ in range(50)]
    for number, fd in enumerate(fds):
        os.write(fd, b"%d" % number)
    equal(len({os.fstat(fd).st_ino for fd in fds}), 50)
    for number, fd in enumerate(fds):
        equal(os.pread(fd, 10, 0), b"%d" % number)
        if number % 2:
            link_path(fd, str(number))
        os.close(fd)
    equal(sorted(os.listdir("."), key=int), [str(number) for number in range(1, 50, 2)])


run()
