"""Fifos, sockets and device nodes, and directories: making and removing them."""
import errno
import os
import select
import socket
import stat
import threading

from mounted import FIRST, KINDS, SLOWER, Skipped, bind, case, equal, make, mode_of, read, refuses, remove, run, there, unchanged, write

TYPES = {
    "regular": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "fifo": stat.S_IFIFO,
    "block": stat.S_IFBLK,
    "char": stat.S_IFCHR,
    "socket": stat.S_IFSOCK,
    "symlink": stat.S_IFLNK,
}


@case("every kind of object has its type by both mounts, by stat and in its directory")
def types():
    for kind in KINDS:
        make(kind, kind)
        equal(stat.S_IFMT(os.lstat(os.path.join(there(), kind)).st_mode), TYPES[kind])
        seen = os.lstat(kind)
        equal((stat.S_IFMT(seen.st_mode), seen.st_size if kind not in ("symlink", "directory") else 0), (TYPES[kind], 0))
    for entry in os.scandir("."):
        equal(stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode), TYPES[entry.name])


@case("devices keep their numbers, to the last minor")
def device_numbers():
    for number, (major, minor) in enumerate(((0, 0), (1, 3), (8, 255), (8, 256), (259, 65536), (1, 0xFFFFF), (0xFFF, 0xFFFFF))):
        for letter, kind in (("c", stat.S_IFCHR), ("b", stat.S_IFBLK)):
            name = f"{letter}{number}"
            os.mknod(name, kind | 0o640, os.makedev(major, minor))
            for path in (name, os.path.join(there(), name)):
                seen = os.lstat(path)
                equal((os.major(seen.st_rdev), os.minor(seen.st_rdev), seen.st_mode), (major, minor, kind | 0o640))
    write("f")
    equal(os.lstat("f").st_rdev, 0)


@case("mknod makes regular files and fifos, and refuses directories")
def mknod():
    os.mknod("f", stat.S_IFREG | 0o604)
    equal((stat.S_ISREG(os.lstat("f").st_mode), mode_of("f"), read("f")), (True, 0o604, b""))
    os.mknod("g", 0o604)
    assert stat.S_ISREG(os.lstat("g").st_mode)
    os.mknod("p", stat.S_IFIFO | 0o604)
    assert stat.S_ISFIFO(os.lstat("p").st_mode)
    os.mknod("s", stat.S_IFSOCK | 0o604)
    assert stat.S_ISSOCK(os.lstat("s").st_mode)
    refuses(errno.EPERM, os.mknod, "d", stat.S_IFDIR | 0o755)


@case("a fifo carries bytes from writer to reader, and is empty again")
def fifo():
    os.mkfifo("p")
    seen = []
    reader = threading.Thread(target=lambda: seen.append(read("p")))
    reader.start()
    with open("p", "wb") as file:
        file.write(b"through" * 1000)
    reader.join(20)
    equal(seen, [b"through" * 1000])
    equal(os.stat("p").st_size, 0)


@case("ENXIO: a fifo that nobody reads, a socket; a reader does not wait with O_NONBLOCK")
def nobody():
    os.mkfifo("p")
    refuses(errno.ENXIO, os.open, "p", os.O_WRONLY | os.O_NONBLOCK)
    fd = os.open("p", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open("p", os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, b"x")
    equal(select.select([fd], [], [], 5)[0], [fd])
    equal(os.read(fd, 10), b"x")
    bind("s")
    refuses(errno.ENXIO, os.open, "s", os.O_RDONLY)
    refuses(errno.ENXIO, os.open, "s", os.O_WRONLY)


@case("a socket takes connections, by its name")
def sockets():
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("s")
        server.listen()
        client.connect("s")
        peer, _ = server.accept()
        client.sendall(b"hello")
        equal(peer.recv(10), b"hello")
        peer.close()
        with socket.socket(socket.AF_UNIX) as late:
            refuses(errno.EADDRINUSE, late.bind, "s")
        os.rename("s", "t")
        with socket.socket(socket.AF_UNIX) as late:
            late.connect("t")


@case("devices are not opened on a mount with nodev: EACCES")
def nodev():
    if not os.statvfs(FIRST).f_flag & os.ST_NODEV:
        raise Skipped("mounted with dev")
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    refuses(errno.EACCES, os.open, "null", os.O_RDWR)


@case("EEXIST: mkdir, mkfifo and mknod where there is something, and . and ..")
def taken():
    for kind in KINDS:
        make(kind, kind)
        with unchanged(kind, "."):
            refuses(errno.EEXIST, os.mkdir, kind)
            refuses(errno.EEXIST, os.mkfifo, kind)
            refuses(errno.EEXIST, os.mknod, kind, stat.S_IFREG | 0o600)
            refuses(errno.EEXIST, os.mknod, kind, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    for name in (".", ".."):
        refuses(errno.EEXIST, os.mkdir, name)


@case("ENOENT and ENOTDIR: a parent that is not there, or is no directory")
def parents():
    for kind in KINDS:
        make(kind, kind)
    for call in (
        lambda path: os.mkdir(path),
        lambda path: os.mkfifo(path),
        lambda path: os.mknod(path, stat.S_IFREG | 0o600),
        lambda path: os.open(path, os.O_CREAT | os.O_WRONLY),
        lambda path: os.stat(path),
        lambda path: os.unlink(path),
        lambda path: os.rmdir(path),
        lambda path: os.chmod(path, 0o600),
        lambda path: os.chown(path, 0, 0),
        lambda path: os.truncate(path, 0),
        lambda path: os.utime(path),
        lambda path: os.symlink("x", path),
        lambda path: os.rename(path, "y"),
        lambda path: os.rename("regular", path),
    ):
        refuses(errno.ENOENT, call, "none/x")
        refuses(errno.ENOENT, call, "symlink/x")
        for kind in ("regular", "fifo", "block", "char", "socket"):
            refuses(errno.ENOTDIR, call, kind + "/x")
    equal(sorted(os.listdir(".")), sorted(KINDS))


@case("rmdir removes what is empty, and nothing else: ENOTEMPTY, ENOTDIR, ENOENT, EINVAL, EBUSY")
def rmdir():
    os.mkdir("d")
    for kind in KINDS:
        make(kind, "d/x")
        with unchanged("d", "d/x", "."):
            refuses(errno.ENOTEMPTY, os.rmdir, "d")
        remove("d/x")
        if kind != "directory":
            make(kind, kind)
            refuses(errno.ENOTDIR, os.rmdir, kind)
    os.mkdir("d/e")
    refuses(errno.ENOTEMPTY, os.rmdir, "d/e/..")
    refuses(errno.EINVAL, os.rmdir, "d/e/.")
    os.rmdir("d/e")
    os.rmdir("d")
    refuses(errno.ENOENT, os.rmdir, "d")
    if os.path.ismount(FIRST):
        refuses(errno.EBUSY, os.rmdir, FIRST)


@case("unlink removes every kind but directories: EISDIR, ENOENT")
def unlink():
    for kind in KINDS:
        make(kind, kind)
        if kind != "directory":
            os.unlink(kind)
            refuses(errno.ENOENT, os.lstat, kind)
            refuses(errno.ENOENT, os.unlink, kind)
    refuses(errno.EISDIR, os.unlink, "directory")


@case("a directory that is gone takes no names, by either mount: ENOENT")
def gone():
    os.mkdir("d")
    fd = os.open("d", os.O_RDONLY)
    os.rmdir(os.path.join(there(), "d"))
    refuses(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    refuses(errno.ENOENT, os.mkdir, "x", dir_fd=fd)
    refuses(errno.ENOENT, os.stat, "x", dir_fd=fd)
    equal(os.listdir(fd), [])
    os.close(fd)


@case("many entries, each once, while others go")
def many():
    count = 5000 // SLOWER
    os.mkdir("many")
    for number in range(count):
        os.mknod(f"many/{number}", stat.S_IFREG | 0o600)
    equal(sorted(os.listdir("many"), key=int), [str(number) for number in range(count)])
    seen = []
    with os.scandir("many") as entries:
        for position, entry in enumerate(entries):
            seen.append(int(entry.name))
            if position < count * 2 // 5 and int(entry.name) % 2 == 0:
                os.unlink("many/" + entry.name)
    equal(sorted(seen), list(range(count)))
    for name in os.listdir("many"):
        os.unlink("many/" + name)
    os.rmdir("many")


@case("a deep tree has its names, and goes from the bottom")
def deep():
    depth = 200
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    for _ in range(depth):
        os.chdir("..")
        os.rmdir("d")


run()
