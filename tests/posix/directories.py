"""Large directories, and listings of directories that change meanwhile."""
import ctypes
import errno
import os
import random
import socket
import stat
import struct
import time

from mounted import FIRST, SLOWER, case, checked, equal, libc, opened, refuses, run, there, write

MANY = 12_000 // SLOWER
DT = {stat.S_IFREG: 8, stat.S_IFDIR: 4, stat.S_IFLNK: 10, stat.S_IFIFO: 1, stat.S_IFSOCK: 12, stat.S_IFCHR: 2, stat.S_IFBLK: 6}
ON_FARFS = any(line.split()[1:3] == [FIRST, "fuse.farfs"] for line in open("/proc/self/mounts"))  # elsewhere the cases are compared


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("offset", ctypes.c_int64), ("length", ctypes.c_uint16), ("type", ctypes.c_uint8), ("name", ctypes.c_char * 256)]


libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Dirent)
libc.telldir.restype = ctypes.c_long


class Stream:
    """opendir and its calls."""

    def __init__(self, path):
        self.stream = ctypes.c_void_p(libc.opendir(os.fsencode(path)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        libc.closedir(self.stream)

    def next(self):
        entry = libc.readdir(self.stream)
        return entry.contents if entry else None

    def names(self):
        found = []
        while (entry := self.next()) is not None:
            found.append(entry.name.decode())
        return found

    def tell(self):
        return libc.telldir(self.stream)

    def seek(self, position):
        libc.seekdir(self.stream, ctypes.c_long(position))

    def rewind(self):
        libc.rewinddir(self.stream)


def getdents(fd, size):
    """One call's entries: (ino, offset, type, name)."""
    buffer = ctypes.create_string_buffer(size)
    length = checked(libc.syscall(217, fd, buffer, size))
    entries, at = [], 0
    while at < length:
        ino, offset, reclen, kind = struct.unpack_from("<QqHB", buffer, at)
        entries.append((ino, offset, kind, buffer.raw[at + 19 : at + reclen].split(b"\0")[0].decode()))
        at += reclen
    return entries


def make(names, folder="."):
    for name in names:
        os.close(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o644))


def dots(names):
    return sorted([".", ".."] + list(names))


@case("d_type of every kind of file, and inode numbers that stat tells too")
def types():
    write("file")
    os.mkdir("folder")
    os.symlink("file", "link")
    os.mkfifo("fifo")
    socket.socket(socket.AF_UNIX).bind("socket")
    if os.geteuid() == 0:
        os.mknod("char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod("block", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    for folder in (".", there()):
        with Stream(folder) as stream:
            seen = 0
            while (entry := stream.next()) is not None:
                found = os.lstat(os.path.join(folder, entry.name.decode()))
                equal((entry.type, entry.ino), (DT[stat.S_IFMT(found.st_mode)], found.st_ino))
                seen += 1
            equal(seen, len(os.listdir(folder)) + 2)


@case("`.` and `..` are listed first, once each, with their inode numbers")
def dot_entries():
    os.makedirs("a/b")
    with opened("a/b", os.O_RDONLY) as fd:
        entries = getdents(fd, 4096)
        equal([(name, ino) for ino, _, _, name in entries], [(".", os.stat("a/b").st_ino), ("..", os.stat("a").st_ino)])
        equal(getdents(fd, 4096), [])
    with opened(FIRST, os.O_RDONLY) as fd:
        entries = getdents(fd, 65536)
        equal([name for _, _, _, name in entries[:2]], [".", ".."])
        equal(entries[0][0], os.stat(FIRST).st_ino)
    os.rename("a/b", "c")
    with opened("c", os.O_RDONLY) as fd:
        equal(getdents(fd, 4096)[1][0], os.stat(".").st_ino)


@case("getdents with room for one entry, and for none: EINVAL")
def small_buffers():
    names = [f"{number:03}" + "n" * (number % 250) for number in range(300)]
    make(names)
    for size in (24, 32, 280, 300, 1000, 5000):
        found = []
        with opened(".", os.O_RDONLY) as fd:
            try:
                while entries := getdents(fd, size):
                    found += [name for _, _, _, name in entries]
            except OSError as error:
                equal((error.errno, size < 280), (errno.EINVAL, True))
                continue
        equal(sorted(found), dots(names))
    with opened(".", os.O_RDONLY) as fd:
        refuses(errno.EINVAL, getdents, fd, 10)


@case("each offset leads to what followed it, in any order; rewinddir begins anew and sees what is new")
def telldir():
    make(f"f{number}" for number in range(500))
    with Stream(".") as stream:
        places = []
        while True:
            position = stream.tell()
            entry = stream.next()
            if entry is None:
                break
            places.append((position, entry.name))
        equal(len(places), 502)
        random.Random(3).shuffle(places)
        for position, name in places[:200]:
            stream.seek(position)
            equal(stream.next().name, name)
        make(["new"])
        stream.rewind()
        equal(sorted(stream.names()), sorted([name.decode() for _, name in places] + ["new"]))
    with opened(".", os.O_RDONLY) as fd:
        first = getdents(fd, 4096)
        os.lseek(fd, 0, os.SEEK_SET)
        equal(getdents(fd, 4096), first)
        os.lseek(fd, first[5][1], os.SEEK_SET)
        equal(getdents(fd, 4096)[0], first[6])


@case("a position stays good while entries before it, at it and behind it are removed by both mounts")
def removed_around():
    make(f"f{number}" for number in range(300))
    with Stream(".") as stream:
        names = [stream.next().name.decode() for _ in range(152)]
        position = stream.tell()
        rest = stream.names()
        for name in names[2::2]:
            os.unlink(name)
        for name in rest[0::3]:
            os.unlink(os.path.join(there(), name))
        stream.seek(position)
        equal(stream.names(), [name for number, name in enumerate(rest) if number % 3])


@case(f"{MANY} entries: listed once each, by both mounts, and gone again")
def many():
    names = [f"entry-{number:06}" for number in range(MANY)]
    make(names)
    for folder in (".", there()):
        begin = time.monotonic()
        equal(sorted(os.listdir(folder)), names)
        print(f"# listed in {time.monotonic() - begin:.2f} s")
    equal(os.stat(names[MANY // 2]).st_size, 0)
    refuses(errno.ENOENT, os.stat, "entry-x")
    begin = time.monotonic()
    for name in names:
        os.unlink(name)
    print(f"# removed in {time.monotonic() - begin:.2f} s")
    equal(os.listdir(there()), [])


@case("while entries come, go and are renamed, those that stay are seen exactly once")
def changing():
    staying = {f"stay-{number:04}" for number in range(1500)}
    rng = random.Random(11)
    order = sorted(staying) + [f"go-{number}" for number in range(1500)]
    rng.shuffle(order)
    make(order)
    going = [name for name in order if name.startswith("go-")]
    for folder, other in ((".", there()), (there(), "."), (".", ".")):
        for size in (2000, 20000):
            found = []
            with opened(folder, os.O_RDONLY) as fd:
                while entries := getdents(fd, size):
                    found += [name for _, _, _, name in entries]
                    for _ in range(3):
                        name = going.pop(rng.randrange(len(going)))
                        new = f"go-{rng.random()}"
                        if rng.random() < 0.5:
                            os.rename(os.path.join(other, name), os.path.join(other, new))
                        else:
                            os.unlink(os.path.join(other, name))
                            make([new], other)
                        going.append(new)
            seen = [name for name in found if name.startswith("stay-")]
            equal((len(seen), set(seen) == staying), (1500, True))
            equal([name for name in found if name in (".", "..")], [".", ".."])


@case("a listing that removes what it has seen removes all")
def removing():
    make(f"f{number}" for number in range(3000))
    with os.scandir(".") as entries:
        for entry in entries:
            os.unlink(entry.name)
    equal(os.listdir("."), [])
    os.mkdir(there() + "/g")
    equal(os.listdir("."), ["g"])


@case("a removed directory that is open lists nothing, and takes nothing new")
def removed():
    os.mkdir("d")
    with opened("d", os.O_RDONLY) as fd:
        os.rmdir(there() + "/d")
        try:
            assert [name for _, _, _, name in getdents(fd, 4096)] in ([], [".", ".."])
        except OSError as error:
            equal(error.errno, errno.ENOENT)  # once the kernel knows
        refuses(errno.ENOENT, os.open, "f", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        refuses(errno.ENOENT, os.mkdir, "f", dir_fd=fd)


@case("what is no directory is not listed: ENOTDIR; EBADF, ENOENT; and a directory is not read: EISDIR")
def refused():
    write("f")
    refuses(errno.ENOTDIR, os.listdir, "f")
    refuses(errno.ENOTDIR, os.open, "f", os.O_RDONLY | os.O_DIRECTORY)
    refuses(errno.ENOENT, os.listdir, "g")
    with opened("f", os.O_RDONLY) as fd:
        refuses(errno.ENOTDIR, getdents, fd, 4096)
    refuses(errno.EBADF, getdents, 999, 4096)
    with opened(".", os.O_RDONLY) as fd:
        refuses(errno.EISDIR, os.read, fd, 10)
    refuses(errno.EISDIR, os.open, ".", os.O_WRONLY)


@case("listings leave no holds behind: what is removed gives its memory back, however much of a listing was read")
def holds():
    if not ON_FARFS:
        return

    def used():
        found = os.statvfs(".")
        return found.f_files - found.f_ffree, found.f_bfree

    before = used()
    names = [f"f{number}" for number in range(800)]
    for name in names:
        write(name, b"x" * 20000)
    for size in (300, 700, 5000, 70000):
        for folder in (".", there()):
            for turns in (1, 3, 1000):
                with opened(folder, os.O_RDONLY) as fd:
                    while turns > 0 and (entries := getdents(fd, size)):
                        turns -= 1
                        for _, _, _, name in entries[:2]:
                            os.lstat(os.path.join(folder, name))  # so that the kernel asks for attributes with the next
    with Stream(".") as stream:
        positions = []
        while stream.next() is not None:
            positions.append(stream.tell())
        for position in positions[::50]:
            stream.seek(position)
            stream.next()
    for name in names:
        os.unlink(name)
    for name in names:
        refuses(errno.ENOENT, os.lstat, os.path.join(there(), name))
    # The kernel gives its lookups back behind the calls.
    for _ in range(100):
        if used()[0] == before[0] and before[1] - used()[1] < 64:
            break
        time.sleep(0.1)
    now = used()
    equal(now[0], before[0])
    assert before[1] - now[1] < 64, f"{before[1] - now[1]} pages are not back"


run()
