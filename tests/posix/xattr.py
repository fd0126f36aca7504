"""Extended attributes: xattr(7), setxattr(2), getxattr(2), listxattr(2), removexattr(2)."""
import ctypes
import errno
import os
import re
import socket
import stat
import struct
import tempfile

from mounted import FIRST, SECOND, SLOWER, as_user, case, checked, equal, libc, mode_of, opened, read, refuses, run, there, touches, unchanged, write

FACTS = ["user.far.location", "user.far.version"]  # what a regular file of a mount lists of itself
ON_MOUNT = os.path.ismount(SECOND)  # the cases run on other file systems, too
CAPABILITY = "security.capability"
NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # as setcap cap_net_raw+ep


def names(path, **how):
    return sorted(name for name in os.listxattr(path, **how) if name not in FACTS)


def sized(call, *arguments):
    """getxattr(2) or listxattr(2) with a buffer of its own size."""
    return checked(call(*arguments))


def getxattr(path, name, size):
    return sized(libc.getxattr, os.fsencode(path), name.encode(), ctypes.create_string_buffer(size or 1), ctypes.c_size_t(size))


def listxattr(path, size):
    return sized(libc.listxattr, os.fsencode(path), ctypes.create_string_buffer(size or 1), ctypes.c_size_t(size))


@case("an attribute is set, read, listed and removed, on files and directories")
def basic():
    write("f")
    os.mkdir("d")
    for path in ("f", "d"):
        os.setxattr(path, "user.a", b"one")
        os.setxattr(path, "user.b", b"")
        equal((os.getxattr(path, "user.a"), os.getxattr(path, "user.b")), (b"one", b""))
        equal(names(path), ["user.a", "user.b"])
        os.setxattr(path, "user.a", b"another, longer value")
        equal(os.getxattr(path, "user.a"), b"another, longer value")
        os.removexattr(path, "user.a")
        equal(names(path), ["user.b"])
        refuses(errno.ENODATA, os.getxattr, path, "user.a")
        refuses(errno.ENODATA, os.removexattr, path, "user.a")


@case("an object that has none says so: ENODATA, an empty list")
def none():
    os.mkdir("d")
    refuses(errno.ENODATA, os.getxattr, "d", "user.a")
    equal(listxattr("d", 0), 0)
    equal(os.listxattr("d"), [])


@case("the other mount sees at once what is set, changed and removed")
def coherent():
    write("f")
    other = os.path.join(there(), "f")
    refuses(errno.ENODATA, os.getxattr, other, "user.a")
    for value in (b"1", b"2" * 5000, b"", b"3"):
        os.setxattr("f", "user.a", value)
        equal(os.getxattr(other, "user.a"), value)
    os.removexattr(other, "user.a")
    refuses(errno.ENODATA, os.getxattr, "f", "user.a")
    equal(names("f"), [])


@case("XATTR_CREATE finds an attribute there: EEXIST; XATTR_REPLACE does not: ENODATA; nothing changes")
def flags():
    write("f")
    with unchanged("f"):
        refuses(errno.ENODATA, os.setxattr, "f", "user.a", b"x", os.XATTR_REPLACE)
    os.setxattr("f", "user.a", b"1", os.XATTR_CREATE)
    with unchanged("f"):
        refuses(errno.EEXIST, os.setxattr, "f", "user.a", b"x", os.XATTR_CREATE)
    equal(os.getxattr("f", "user.a"), b"1")
    os.setxattr("f", "user.a", b"2", os.XATTR_REPLACE)
    equal(os.getxattr("f", "user.a"), b"2")
    refuses(errno.EINVAL, os.setxattr, "f", "user.a", b"x", 4)


@case("setting and removing move the change time, and no other; reading moves none")
def times():
    write("f", b"x")
    with touches("f", mtime=False, ctime=True):
        os.setxattr("f", "user.a", b"1")
    with touches("f", mtime=False, ctime=True):
        os.setxattr("f", "user.a", b"1")
    with unchanged("f"):
        os.getxattr("f", "user.a")
        os.listxattr("f")
        refuses(errno.ENODATA, os.removexattr, "f", "user.none")
        refuses(errno.ENODATA, os.getxattr, "f", "user.none")
    with touches("f", mtime=False, ctime=True):
        os.removexattr("f", "user.a")


@case("a name has up to 255 bytes: ERANGE beyond, and for an empty one; bytes are any")
def name_limits():
    write("f")
    longest = "user." + "n" * 250
    os.setxattr("f", longest, b"1")
    equal((names("f"), os.getxattr("f", longest)), ([longest], b"1"))
    refuses(errno.ERANGE, os.setxattr, "f", longest + "n", b"1")
    refuses(errno.ERANGE, os.getxattr, "f", longest + "n")
    refuses(errno.ERANGE, os.removexattr, "f", longest + "n")
    refuses(errno.ERANGE, os.setxattr, "f", "", b"1")
    odd = b"user.\xff/ \n=."
    os.setxattr("f", odd, b"odd")
    equal(os.getxattr("f", odd), b"odd")
    os.removexattr("f", longest)
    equal(names("f"), [os.fsdecode(odd)])


@case("a name must have a namespace that exists (EOPNOTSUPP), and something behind it (EINVAL)")
def namespaces():
    write("f")
    for name in ("nothing", "nothing.a", "USER.a", "system.a", "users.a"):
        refuses(errno.EOPNOTSUPP, os.setxattr, "f", name, b"1")
        refuses(errno.EOPNOTSUPP, os.getxattr, "f", name)
        refuses(errno.EOPNOTSUPP, os.removexattr, "f", name)
    for name in ("user.", "trusted."):
        refuses(errno.EINVAL, os.setxattr, "f", name, b"1")
        refuses(errno.EINVAL, os.getxattr, "f", name)
    equal(names("f"), [])


@case("a value has up to 64 KiB: E2BIG beyond; each length around each limit")
def value_limits():
    write("f")
    os.mkdir("d")
    for path in ("f", "d"):
        for length in (0, 1, 15, 16, 17, 4000, 4040, 4050, 4051, 4052, 4096, 4097, 8000, 8151, 8152, 8153, 8192, 16384, 65535, 65536):
            value = os.urandom(length)
            os.setxattr(path, "user.v", value)
            equal(os.getxattr(path, "user.v"), value)
            equal(getxattr(path, "user.v", 0), length)
        refuses(errno.E2BIG, os.setxattr, path, "user.v", bytes(65537))
        equal(len(os.getxattr(path, "user.v")), 65536)
        os.removexattr(path, "user.v")


@case("a buffer that is too small: ERANGE; size 0 tells the length")
def small_buffers():
    os.mkdir("d")
    os.setxattr("d", "user.a", b"12345")
    equal((getxattr("d", "user.a", 0), getxattr("d", "user.a", 5), getxattr("d", "user.a", 100)), (5, 5, 5))
    refuses(errno.ERANGE, getxattr, "d", "user.a", 4)
    equal((listxattr("d", 0), listxattr("d", 7)), (7, 7))
    refuses(errno.ERANGE, listxattr, "d", 6)


@case("many attributes keep their values; names may be 64 KiB in all: ENOSPC beyond, and all are listed still")
def many():
    if not ON_MOUNT:
        return
    os.mkdir("d")
    made = []
    try:
        for number in range(400):
            name = f"user.{number:03}" + "n" * 240
            os.setxattr("d", name, b"%d" % number)
            made.append(name)
    except OSError as error:
        equal(error.errno, errno.ENOSPC)
    equal(len(made), 65280 // 249)
    equal(sorted(os.listxattr("d")), made)
    for number, name in enumerate(made):
        equal(os.getxattr("d", name), b"%d" % number)
    for name in made[::2]:
        os.removexattr("d", name)
    equal(sorted(os.listxattr("d")), sorted(made[1::2]))


@case("they stay with the object: through rename, further names, and when it is open without a name")
def stays():
    write("f", b"x")
    os.setxattr("f", "user.a", b"kept")
    os.rename("f", "g" * 200)
    os.link("g" * 200, "h")
    equal(os.getxattr("h", "user.a"), b"kept")
    os.unlink("g" * 200)
    equal(os.getxattr("h", "user.a"), b"kept")
    with opened("h") as fd:
        os.unlink("h")
        equal(os.getxattr(fd, "user.a"), b"kept")
        os.setxattr(fd, "user.b", b"late")
        equal(names(fd), ["user.a", "user.b"])
    write("new")
    write("old")
    os.setxattr("new", "user.a", b"new")
    os.setxattr("old", "user.a", b"old")
    os.rename("new", "old")
    equal(os.getxattr("old", "user.a"), b"new")
    os.truncate("old", 100000)
    equal(os.getxattr("old", "user.a"), b"new")


@case("a new object has none, also where one that had some was")
def fresh():
    for _ in range(50):
        write("f")
        equal(names("f"), [])
        os.setxattr("f", "user.a", bytes(100))
        os.unlink("f")


@case("user attributes are for files and directories alone: EPERM to set, none to read")
def other_types():
    os.symlink("nowhere", "s")
    os.mkfifo("p")
    os.mknod("c", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("k")
    for path in ("s", "p", "c", "k"):
        refuses(errno.EPERM, os.setxattr, path, "user.a", b"1", follow_symlinks=False)
        refuses(errno.ENODATA, os.getxattr, path, "user.a", follow_symlinks=False)
        equal(os.listxattr(path, follow_symlinks=False), [])


@case("trusted attributes go with objects of any type, a link's are not its target's")
def trusted():
    write("f")
    os.symlink("f", "s")
    os.mkfifo("p")
    os.mknod("c", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for path in ("f", "s", "p", "c"):
        os.setxattr(path, "trusted.a", path.encode(), follow_symlinks=False)
    for path in ("f", "s", "p", "c"):
        equal(os.getxattr(path, "trusted.a", follow_symlinks=False), path.encode())
        equal(names(path, follow_symlinks=False), ["trusted.a"])
    equal(os.getxattr("s", "trusted.a"), b"f")


@case("a link is followed but by the calls that begin with l")
def links():
    write("f")
    os.symlink("f", "s")
    os.setxattr("s", "user.a", b"1")
    equal(os.getxattr("f", "user.a"), b"1")
    equal(os.listxattr("s", follow_symlinks=False), [])


def kernel_guards_security():
    """Linux before 6.10 with the BPF security module lets everybody set security attributes on any file system: one in memory shows it."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        os.chmod(file.name, 0o666)
        try:
            as_user(1234, 1234, os.setxattr, file.name, "security.a", b"1")
        except OSError:
            return True
    return False


@case("trusted attributes are root's: others cannot set (EPERM), read (ENODATA) or list them")
def trusted_users():
    write("f", mode=0o666)
    os.chmod("f", 0o666)
    os.setxattr("f", "trusted.a", b"1")
    os.setxattr("f", "user.a", b"1")

    is_guarded = kernel_guards_security()

    def other():
        refuses(errno.EPERM, os.setxattr, "f", "trusted.a", b"2")
        refuses(errno.EPERM, os.removexattr, "f", "trusted.a")
        refuses(errno.ENODATA, os.getxattr, "f", "trusted.a")
        equal(names("f"), ["user.a"])
        if is_guarded:
            refuses(errno.EPERM, os.setxattr, "f", "security.a", b"2")
        os.setxattr("f", "user.a", b"2")

    as_user(1234, 1234, other)
    equal((names("f"), os.getxattr("f", "trusted.a")), (["trusted.a", "user.a"], b"1"))


@case("user attributes need the right to read and to write: EACCES; in sticky directories the owner's: EPERM")
def user_rights():
    write("f", mode=0o600)
    os.setxattr("f", "user.a", b"1")
    write("r", mode=0o644)
    os.setxattr("r", "user.a", b"1")
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    os.mkdir("open")
    os.chmod("open", 0o777)

    def other():
        refuses(errno.EACCES, os.getxattr, "f", "user.a")
        refuses(errno.EACCES, os.setxattr, "f", "user.a", b"2")
        refuses(errno.EACCES, os.removexattr, "f", "user.a")
        equal(os.getxattr("r", "user.a"), b"1")
        refuses(errno.EACCES, os.setxattr, "r", "user.a", b"2")
        refuses(errno.EPERM, os.setxattr, "sticky", "user.a", b"2")
        os.setxattr("open", "user.a", b"2")

    as_user(1234, 1234, other)


@case("a name that is not there: ENOENT; a path through a file: ENOTDIR")
def paths():
    write("f")
    for call in (lambda path: os.getxattr(path, "user.a"), lambda path: os.setxattr(path, "user.a", b""), lambda path: os.removexattr(path, "user.a"), os.listxattr):
        refuses(errno.ENOENT, call, "none")
        refuses(errno.ENOTDIR, call, "f/x")


@case("file capabilities are set and read, and end with a write, a truncation, a change of owner")
def capabilities():
    def fresh_file():
        write("f", b"0123456789" * 1000, mode=0o755)
        os.setxattr("f", CAPABILITY, NET_RAW)
        equal(os.getxattr("f", CAPABILITY), NET_RAW)

    def rewrite(flags_more=0):
        with opened("f", os.O_WRONLY | flags_more) as fd:
            os.write(fd, b"x")

    def map_direct():
        import mmap

        with opened("f", os.O_WRONLY | os.O_DIRECT) as fd, mmap.mmap(-1, 4096) as page:
            os.pwrite(fd, page, 0)

    for change in (rewrite, lambda: rewrite(os.O_APPEND), lambda: rewrite(os.O_TRUNC), lambda: os.truncate("f", 5), lambda: os.chown("f", 1, -1), lambda: os.chown("f", -1, 1), map_direct):
        fresh_file()
        change()
        refuses(errno.ENODATA, os.getxattr, "f", CAPABILITY)
    fresh_file()
    os.chmod("f", 0o700)
    os.utime("f")
    os.setxattr("f", "user.a", b"1")
    os.rename("f", "g")
    read("g")
    equal(os.getxattr("g", CAPABILITY), NET_RAW)


@case("file capabilities end with a write by the other mount, in the midst of many writes")
def capabilities_elsewhere():
    write("f", bytes(65536))
    with opened("f") as fd, opened(os.path.join(there(), "f")) as other:
        for _ in range(50):
            os.pwrite(fd, b"x" * 4096, 8192)
        for _ in range(5):
            os.setxattr("f", CAPABILITY, NET_RAW)
            os.pwrite(other, b"y", 100)
            refuses(errno.ENODATA, os.getxattr, "f", CAPABILITY)
            os.setxattr("f", CAPABILITY, NET_RAW)
            os.pwrite(fd, b"y" * 4096, 8192)
            refuses(errno.ENODATA, os.getxattr, "f", CAPABILITY)


@case("set-uid and set-gid end with a write or truncation by one who may not keep them, root's stay")
def set_id_bits():
    def fresh_file():
        write("f", bytes(100000))
        os.chmod("f", 0o6777)

    def rewrite(flags_more=0):
        with opened("f", os.O_WRONLY | flags_more) as fd:
            for _ in range(10):
                os.pwrite(fd, b"x" * 4096, 4096)

    def write_direct():
        import mmap

        with opened("f", os.O_WRONLY | os.O_DIRECT) as fd, mmap.mmap(-1, 4096) as page:
            os.pwrite(fd, page, 0)

    for change in (rewrite, lambda: rewrite(os.O_APPEND), lambda: rewrite(os.O_TRUNC), lambda: os.truncate("f", 5), write_direct):
        fresh_file()
        change()
        equal(mode_of("f"), 0o6777)
        as_user(1234, 1234, change)
        equal(mode_of("f"), 0o777)
    with opened("f") as fd, opened(os.path.join(there(), "f"), os.O_RDONLY):
        for number in range(20):
            os.pwrite(fd, b"y", number)
        os.chmod(os.path.join(there(), "f"), 0o4777)
        as_user(1234, 1234, os.pwrite, fd, b"z", 0)
        equal(mode_of("f"), 0o777)


@case("other security attributes are kept for root, on any type")
def security():
    os.mkfifo("p")
    os.setxattr("p", "security.other", b"label")
    equal((os.getxattr("p", "security.other"), names("p")), (b"label", ["security.other"]))


@case("two who set the same attribute leave one of the two values, whole")
def race():
    write("f")
    values = [bytes([letter]) * 20000 for letter in b"ab"]
    readers = os.path.join(there(), "f")
    os.setxattr("f", "user.a", values[0])
    pid = os.fork()
    if pid == 0:
        try:
            for number in range(200 // SLOWER):
                os.setxattr("f", "user.a", values[number % 2])
            os._exit(0)
        finally:
            os._exit(1)
    for _ in range(200 // SLOWER):
        assert os.getxattr(readers, "user.a") in values, "a mix of two values"
    equal(os.waitpid(pid, 0)[1], 0)


@case("facts: a regular file tells its version and where its value is; a change raises the version")
def facts():
    if not ON_MOUNT:
        return
    write("f", b"small")
    equal(os.getxattr("f", "user.far.location"), b"inline")
    before = int(os.getxattr("f", "user.far.version"))
    with opened("f") as fd:
        os.pwrite(fd, b"S", 0)
    assert int(os.getxattr("f", "user.far.version")) > before
    equal(os.getxattr("f", "user.far.version"), os.getxattr(os.path.join(there(), "f"), "user.far.version"))
    write("f", bytes(2000))
    equal(os.getxattr("f", "user.far.location"), b"block")
    write("f", bytes(20000))
    assert re.fullmatch(rb"extents=[1-5] pages=5", os.getxattr("f", "user.far.location"))
    os.truncate("f", 0)
    equal(os.getxattr("f", "user.far.location"), b"none")
    equal(sorted(os.listxattr("f")), FACTS)
    os.mkdir("d")
    equal(os.listxattr("d"), [])
    refuses(errno.ENODATA, os.getxattr, "d", "user.far.version")
    refuses(errno.ENODATA, os.getxattr, "f", "user.far.other")


@case("facts cannot be changed: EPERM, but for what copying programs do, which has no effect")
def facts_kept():
    if not ON_MOUNT:
        return
    write("f", b"small")
    version = os.getxattr("f", "user.far.version")
    with unchanged("f"):
        refuses(errno.EPERM, os.setxattr, "f", "user.far.version", b"new")
        refuses(errno.EPERM, os.setxattr, "f", "user.far.version", b"")
        refuses(errno.EPERM, os.setxattr, "f", "user.far.location", b"elsewhere")
        refuses(errno.EPERM, os.setxattr, "f", "user.far.other", b"1")
        refuses(errno.EPERM, os.setxattr, "f", "user.far.version", bytes(10000))
        refuses(errno.EEXIST, os.setxattr, "f", "user.far.version", b"99", os.XATTR_CREATE)
        refuses(errno.ENODATA, os.removexattr, "f", "user.far.other")
        os.setxattr("f", "user.far.version", b"99")
        os.setxattr("f", "user.far.location", b"extents=3 pages=77")
        os.removexattr("f", "user.far.version")
    equal((os.getxattr("f", "user.far.version"), os.getxattr("f", "user.far.location")), (version, b"inline"))
    equal(sorted(os.listxattr("f")), FACTS)


@case("system.posix_acl attributes are not supported where ACLs are not asked for")
def no_acls():
    if not ON_MOUNT:
        return
    os.mkdir("f", 0o755)
    for name in ("system.posix_acl_access", "system.posix_acl_default"):
        refuses(errno.EOPNOTSUPP, os.getxattr, "f", name)
        refuses(errno.EOPNOTSUPP, os.setxattr, "f", name, struct.pack("<IHHIHHIHHI", 2, 1, 7, 0xFFFFFFFF, 4, 5, 0xFFFFFFFF, 32, 5, 0xFFFFFFFF))
    equal(mode_of("f"), 0o755)


@case("the root of a mount counts its messages, and those to the server: user.far.mount")
def mount_status():
    def status():
        return dict(line.split(" ", 1) for line in os.getxattr(FIRST, "user.far.mount").decode().splitlines())

    if not ON_MOUNT:
        return
    before = status()
    equal(before["provider"], before["server"].split(":")[0])
    os.mkdir("d")
    after = status()
    equal(int(after["messages.mkdir"]) - int(before.get("messages.mkdir", 0)), 1)
    assert int(after["messages"]) > int(before["messages"]), after
    assert int(after["requests"]) > int(before["requests"]), after
    assert "user.far.mount" not in os.listxattr(FIRST), "listed"


run()
