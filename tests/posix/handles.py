"""name_to_handle_at and open_by_handle_at: handles are of objects, not of what the kernel happens to have in its caches."""
import ctypes
import errno
import os
import time

from mounted import (AT_FDCWD, FIRST, KINDS, SECOND, SLOWER, as_user, case, checked, equal, libc, make, opened, read, refuses, remove, run,
                     there, write)

HANDLE_BYTES = 128  # MAX_HANDLE_SZ


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("text", ctypes.c_ubyte * HANDLE_BYTES)]


def handle_of(name):
    """Of a symbolic link itself, too."""
    handle, mount = Handle(bytes=HANDLE_BYTES), ctypes.c_int()
    checked(libc.name_to_handle_at(AT_FDCWD, os.fsencode(name), ctypes.byref(handle), ctypes.byref(mount), 0))
    return handle


def by_handle(handle, flags=os.O_RDONLY, mount=FIRST):
    """A descriptor of the handle's object, to be closed."""
    with opened(mount, os.O_RDONLY | os.O_DIRECTORY) as fd:
        return checked(libc.open_by_handle_at(fd, ctypes.byref(handle), flags))


def seen(handle, mount=FIRST, flags=os.O_PATH):
    fd = by_handle(handle, flags, mount)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def content(handle, mount=FIRST):
    with os.fdopen(by_handle(handle, mount=mount), "rb") as file:
        return file.read()


def forget_all():
    """The kernel lets go of all inodes that nobody uses: the first time of those whose names were not looked up again since they came into the cache."""
    for _ in range(3):
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as drop:
            drop.write("2")


def soon_stale(handle, mount=FIRST):
    """ESTALE, as soon as the other mount's kernel has let go of the object: it says so when nobody waits for it."""
    end = time.monotonic() + 5 * SLOWER
    while time.monotonic() < end:
        try:
            os.close(by_handle(handle, os.O_PATH, mount))
        except OSError as error:
            equal(error.errno, errno.ESTALE)
            return
        time.sleep(0.01)
    raise AssertionError("found for ever")


@case("a handle opens its file, whether or not the kernel has it in its caches")
def file():
    write("f", b"content" * 1000)
    handle = handle_of("f")
    equal(content(handle), b"content" * 1000)
    forget_all()
    equal(content(handle), b"content" * 1000)
    forget_all()
    fd = by_handle(handle, os.O_RDWR)
    os.pwrite(fd, b"CONTENT", 0)
    os.close(fd)
    equal(read("f")[:14], b"CONTENTcontent")


@case("handles of every kind of object open it")
def kinds():
    wanted, handles = {}, {}
    for kind in KINDS:
        make(kind, kind)
        status = os.lstat(kind)
        wanted[kind] = (status.st_ino, status.st_mode, status.st_rdev, status.st_ctime_ns)
        handles[kind] = handle_of(kind)
    forget_all()
    for kind in KINDS:
        status = seen(handles[kind])
        equal((status.st_ino, status.st_mode, status.st_rdev, status.st_ctime_ns), wanted[kind])


@case("the handle of a directory, deep or at the top, opens it with its way up")
def directories():
    os.makedirs("a/b/c/d")
    write("a/b/c/d/f", b"below")
    handle, top = handle_of("a/b/c/d"), handle_of(FIRST)
    path, root = os.path.realpath("a/b/c/d"), os.stat(FIRST).st_ino
    os.chdir("/")  # holds none of them
    forget_all()
    fd = by_handle(handle, os.O_RDONLY | os.O_DIRECTORY)
    equal(os.listdir(fd), ["f"])
    equal(os.readlink(f"/proc/self/fd/{fd}"), path)
    up = os.open("../..", os.O_RDONLY, dir_fd=fd)
    equal((os.listdir(up), os.readlink(f"/proc/self/fd/{up}")), (["c"], os.path.dirname(os.path.dirname(path))))
    os.close(up)
    os.close(fd)
    equal(seen(top).st_ino, root)


@case("a directory that was moved meanwhile is where it is now")
def moved():
    os.makedirs("a/d")
    os.mkdir("b")
    write("a/f", b"file")
    handle, file = handle_of("a/d"), handle_of("a/f")
    here, other = os.getcwd(), there()
    os.chdir("/")
    forget_all()
    os.rename(os.path.join(other, "a/d"), os.path.join(other, "b/e"))
    os.rename(os.path.join(other, "a/f"), os.path.join(other, "b/g"))
    fd = by_handle(handle, os.O_RDONLY | os.O_DIRECTORY)
    equal(os.readlink(f"/proc/self/fd/{fd}"), os.path.join(os.path.realpath(here), "b/e"))
    os.close(fd)
    equal(content(file), b"file")


@case("a handle of one mount is good for the other, which has never seen the object")
def other_mount():
    os.mkdir("d")
    write("d/f", b"here")
    handle, directory = handle_of("d/f"), handle_of("d")
    equal(content(handle, SECOND), b"here")
    fd = by_handle(directory, os.O_RDONLY | os.O_DIRECTORY, SECOND)
    equal((os.listdir(fd), os.readlink(f"/proc/self/fd/{fd}")), (["f"], os.path.realpath(os.path.join(there(), "d"))))
    os.close(fd)


@case("ESTALE: what was deleted, of every kind, by either mount")
def deleted():
    for kind in KINDS:
        make(kind, kind)
        handle = handle_of(kind)
        remove(kind)
        refuses(errno.ESTALE, by_handle, handle, os.O_PATH)
        forget_all()
        refuses(errno.ESTALE, by_handle, handle, os.O_PATH)
        make(kind, kind)
        handle = handle_of(kind)
        forget_all()
        remove(os.path.join(there(), kind))
        soon_stale(handle)


@case("ESTALE: what was replaced, by rename or by a new object of the name")
def replaced():
    write("f", b"old")
    old = handle_of("f")
    write("g", b"new")
    new = handle_of("g")
    os.rename("g", "f")
    forget_all()
    refuses(errno.ESTALE, by_handle, old)
    equal(content(new), b"new")
    for _ in range(100):  # some of them in the memory of the first
        os.unlink("f")
        write("f", b"newer")
        refuses(errno.ESTALE, by_handle, old)
        refuses(errno.ESTALE, by_handle, new)


@case("a file that keeps another name is found by its handle")
def linked():
    write("f", b"content")
    handle = handle_of("f")
    os.link("f", "g")
    os.unlink("f")
    forget_all()
    equal((content(handle), seen(handle).st_nlink), (b"content", 1))
    os.unlink("g")
    refuses(errno.ESTALE, by_handle, handle)


@case("an unlinked open file is found by its handle, by both mounts, until the last close")
def unlinked():
    write("f", b"still")
    handle = handle_of("f")
    fd = os.open("f", os.O_RDWR)
    os.unlink("f")
    forget_all()
    equal((content(handle), seen(handle).st_nlink), (b"still", 0))
    equal((content(handle, SECOND), seen(handle, SECOND).st_nlink), (b"still", 0))
    forget_all()
    os.close(fd)
    for mount in (FIRST, SECOND):
        soon_stale(handle, mount)


@case("what is opened by a handle is opened as its kind allows: a socket ENXIO, a link ELOOP, a directory EISDIR to write, a fifo carries bytes")
def as_kind():
    handles = {}
    for kind in ("socket", "symlink", "directory", "fifo"):
        make(kind, kind)
        handles[kind] = handle_of(kind)
    forget_all()
    refuses(errno.ENXIO, by_handle, handles["socket"], os.O_RDWR)
    refuses(errno.ELOOP, by_handle, handles["symlink"])
    refuses(errno.EISDIR, by_handle, handles["directory"], os.O_RDWR)
    fd = by_handle(handles["fifo"], os.O_RDWR)
    os.write(fd, b"through")
    equal(os.read(fd, 100), b"through")
    os.close(fd)


@case("EPERM: open_by_handle_at by another user")
def others():
    write("f")
    handle = handle_of("f")
    as_user(65534, 65534, lambda: refuses(errno.EPERM, by_handle, handle))


@case("a handle that nobody gave out is refused: ESTALE")
def made_up():
    write("f")
    handle = handle_of("f")
    for place in range(4):  # the id's generation
        wrong = Handle(bytes=handle.bytes, type=handle.type, text=handle.text)
        wrong.text[place] ^= 0x55
        refuses(errno.ESTALE, by_handle, wrong)
    wrong = Handle(bytes=handle.bytes, type=handle.type, text=handle.text)
    wrong.text[8] ^= 1  # the generation
    forget_all()
    refuses(errno.ESTALE, by_handle, wrong)
    equal(content(handle), b"")


run()
