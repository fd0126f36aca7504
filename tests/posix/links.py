"""Hard links, link counts and symbolic links."""
import errno
import os
import stat

from mounted import KINDS, SLOWER, Skipped, as_user, case, equal, make, read, refuses, run, there, unchanged, write

LINK_MAX = 65000


def nlink(path):
    return os.lstat(path).st_nlink


# --- counts ---


@case("a directory has two links and one more for each directory in it")
def directory_count():
    os.mkdir("n")
    equal(nlink("n"), 2)
    os.mkdir("n/1")
    os.mkdir("n/2")
    write("n/f")
    equal(nlink("n"), 4)
    os.rename("n/1", "moved")
    equal((nlink("n"), nlink("moved")), (3, 2))
    os.rename("moved", "n/2/moved")
    equal((nlink("n"), nlink("n/2")), (3, 3))
    os.rmdir("n/2/moved")
    os.rmdir("n/2")
    equal(nlink("n"), 2)


@case("links of every kind of object, links themselves included, are one object with its count")
def every_kind():
    os.mkdir("d")
    for kind in KINDS:
        if kind == "directory":
            continue
        make(kind, kind)
        before = os.lstat(kind)
        equal(before.st_nlink, 1)
        os.link(kind, "d/one", follow_symlinks=False)
        os.link("d/one", "two", follow_symlinks=False)
        for name in (kind, "d/one", "two", os.path.join(there(), "two")):
            seen = os.lstat(name)
            equal((seen.st_ino, seen.st_nlink, seen.st_mode, seen.st_rdev), (before.st_ino, 3, before.st_mode, before.st_rdev))
        if kind != "symlink":
            os.chmod("two", 0o201)
            os.chown("d/one", 7, 8)
            seen = os.lstat(kind)
            equal((stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid), (0o201, 7, 8))
        os.unlink(kind)
        equal(nlink("two"), 2)
        os.unlink("two")
        equal(nlink("d/one"), 1)
        equal(os.lstat("d/one").st_ino, before.st_ino)
        os.unlink("d/one")
        refuses(errno.ENOENT, os.lstat, "d/one")


@case("content is the same by each name, whichever goes first")
def content():
    write("a", b"linked")
    os.mkdir("d")
    os.link("a", "d/b")
    os.link("a", "c")
    with open("c", "ab") as file:
        file.write(b" on")
    os.unlink("a")
    equal((read("c"), read("d/b"), nlink("c")), (b"linked on", b"linked on", 2))
    os.unlink("c")
    equal((read("d/b"), nlink("d/b")), (b"linked on", 1))
    os.link("d/b", "a")
    os.unlink("d/b")
    equal((read("a"), read(os.path.join(there(), "a"))), (b"linked on", b"linked on"))


# --- what link refuses ---


@case("EPERM: a directory is not linked, by root neither")
def directory():
    os.mkdir("d")
    with unchanged("d", "."):
        refuses(errno.EPERM, os.link, "d", "e")


@case("EEXIST, ENOENT, ENOTDIR: link, with every kind in the way")
def taken():
    write("f")
    for kind in KINDS:
        make(kind, kind)
        with unchanged(kind, "f", "."):
            refuses(errno.EEXIST, os.link, "f", kind)
    refuses(errno.ENOENT, os.link, "none", "g")
    refuses(errno.ENOENT, os.link, "f", "none/g")
    refuses(errno.ENOTDIR, os.link, "f/x", "g")
    refuses(errno.ENOTDIR, os.link, "f", "regular/x")
    refuses(errno.ENOENT, os.link, "f", "g/")
    equal(nlink("f"), 1)


@case("EMLINK: 65000 names of one object, and not one more")
def too_many():
    if SLOWER > 1:
        raise Skipped("so many names take too long here")
    write("f")
    for number in range(1, LINK_MAX):
        os.link("f", f"{number}")
    equal(nlink("f"), LINK_MAX)
    with unchanged("f"):
        refuses(errno.EMLINK, os.link, "f", "one-more")
    os.unlink("1")
    os.link("f", "one-more")
    refuses(errno.EMLINK, os.link, "2", "1")
    for number in range(2, LINK_MAX):
        os.unlink(f"{number}")
    equal((nlink("f"), sorted(os.listdir("."))), (2, ["f", "one-more"]))


@case("EXDEV: neither link nor rename cross from one mount to the other")
def cross():
    write("f")
    if os.stat("f").st_dev == os.stat(there()).st_dev:
        raise Skipped("both mounts are one file system here")
    refuses(errno.EXDEV, os.link, "f", os.path.join(there(), "g"))
    refuses(errno.EXDEV, os.rename, "f", os.path.join(there(), "g"))


# --- symbolic links ---


@case("a symbolic link keeps its target, whatever it is, and its size is the target's length")
def target():
    for number, text in enumerate(("x", "/absolute/x", "../x/./y//", " ", "é" * 500, "x" * 1023, "x" * 1024, "x" * 1025, "x" * 4095)):
        name = f"s{number}"
        os.symlink(text, name)
        equal((os.readlink(name), os.lstat(name).st_size), (text, len(os.fsencode(text))))
        equal(os.readlink(os.path.join(there(), name)), text)
        equal(stat.S_IMODE(os.lstat(name).st_mode), 0o777)


@case("symlink and readlink refuse: EEXIST, ENOENT, EINVAL, ENAMETOOLONG")
def symlink_refuses():
    for kind in KINDS:
        make(kind, kind)
        with unchanged(kind, "."):
            refuses(errno.EEXIST, os.symlink, "x", kind)
        if kind != "symlink":
            refuses(errno.EINVAL, os.readlink, kind)
    refuses(errno.ENOENT, os.symlink, "", "s")
    refuses(errno.ENOENT, os.symlink, "x", "none/s")
    refuses(errno.ENOTDIR, os.symlink, "x", "regular/s")
    refuses(errno.ENAMETOOLONG, os.symlink, "x" * 4096, "s")


@case("links are followed on the way and at the end; dangling ones are not there")
def followed():
    os.mkdir("d")
    write("d/f", b"here")
    os.symlink("d", "to-d")
    os.symlink("to-d/f", "to-f")
    equal((read("to-d/f"), read("to-f")), (b"here", b"here"))
    os.symlink("nowhere", "dangling")
    refuses(errno.ENOENT, os.stat, "dangling")
    write("dangling", b"made through it")
    equal(read("nowhere"), b"made through it")


@case("ELOOP: a link to itself, two to each other, and a chain of 41; 40 are followed")
def loops():
    os.symlink("self", "self")
    os.symlink("b", "a")
    os.symlink("a", "b")
    write("0", b"end")
    for number in range(1, 42):
        os.symlink(str(number - 1), str(number))
    equal(read("40"), b"end")
    os.mkdir("d")
    for name in ("self", "a", "41"):
        for call in (
            lambda: os.stat(name),
            lambda: os.open(name, os.O_RDONLY),
            lambda: os.open(name, os.O_CREAT | os.O_WRONLY),
            lambda: os.chmod(name, 0o600),
            lambda: os.chown(name, 1, 1),
            lambda: os.truncate(name, 0),
            lambda: os.utime(name),
            lambda: os.listdir(name),
            lambda: os.mkdir(name + "/x"),
            lambda: os.mkfifo(name + "/x"),
            lambda: os.symlink("x", name + "/x"),
            lambda: os.link(name + "/x", "y"),
            lambda: os.link("0", name + "/x"),
            lambda: os.rename(name + "/x", "y"),
            lambda: os.rename("0", name + "/x"),
            lambda: os.unlink(name + "/x"),
            lambda: os.rmdir(name + "/x"),
        ):
            refuses(errno.ELOOP, call)


@case("unlink, rename and link act on the link itself")
def itself():
    write("f", b"kept")
    os.symlink("f", "s")
    os.rename("s", "t")
    os.link("t", "u", follow_symlinks=False)
    os.unlink("t")
    equal((os.readlink("u"), read("f")), ("f", b"kept"))
    os.unlink("u")
    equal(os.listdir("."), ["f"])
    os.symlink(".", "dot")
    refuses(errno.ENOTDIR, os.rmdir, "dot")


@case("a link may be owned by anyone and read by all")
def anyone():
    os.symlink("x", "s")
    os.lchown("s", 5, 6)
    as_user(65534, 65534, os.readlink, "s")


run()
