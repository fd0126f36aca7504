"""Rename: what replaces what, directories, and the flags of renameat2."""
import errno
import os
import threading

from mounted import (
    KINDS,
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    RENAME_WHITEOUT,
    SLOWER,
    case,
    child,
    equal,
    make,
    opened,
    read,
    refuses,
    remove,
    renameat2,
    run,
    there,
    unchanged,
    write,
)


def inode(path):
    return os.lstat(path).st_ino


def nlink(path):
    return os.lstat(path).st_nlink


# --- moving ---


@case("every kind of object is renamed, within a directory and across, and stays what it is")
def every_kind():
    os.mkdir("d")
    for kind in KINDS:
        make(kind, "x")
        before = os.lstat("x")
        os.rename("x", "y")
        os.rename("y", "d/z")
        after = os.lstat(os.path.join(there(), "d/z"))
        equal((after.st_ino, after.st_mode, after.st_nlink, after.st_rdev), (before.st_ino, before.st_mode, before.st_nlink, before.st_rdev))
        refuses(errno.ENOENT, os.lstat, "x")
        refuses(errno.ENOENT, os.lstat, "y")
        remove("d/z")


@case("what is no directory replaces what is no directory, of any kind")
def replace():
    others = [kind for kind in KINDS if kind != "directory"]
    os.mkdir("d")
    for kind in others:
        for victim in others:
            make(kind, "x")
            make(victim, "d/y")
            moved = inode("x")
            os.rename("x", "d/y")
            equal((inode("d/y"), os.path.lexists("x")), (moved, False))
            os.unlink("d/y")


@case("EISDIR and ENOTDIR: a file onto a directory, a directory onto a file")
def mixed():
    for kind in KINDS:
        if kind == "directory":
            continue
        make(kind, "x")
        os.mkdir("d")
        with unchanged("x", "d", "."):
            refuses(errno.EISDIR, os.rename, "x", "d")
            refuses(errno.ENOTDIR, os.rename, "d", "x")
        os.unlink("x")
        os.rmdir("d")


@case("a directory replaces an empty one, and no other: ENOTEMPTY")
def directories():
    os.mkdir("a")
    os.mkdir("a/sub")
    os.mkdir("b")
    moved = inode("a")
    os.rename("a", "b")
    equal((inode("b"), os.listdir("b"), nlink("b")), (moved, ["sub"], 3))
    for kind in KINDS:
        os.mkdir("c")
        make(kind, "b/x")
        with unchanged("b", "c", "."):
            refuses(errno.ENOTEMPTY, os.rename, "c", "b")
        remove("b/x")
        os.rmdir("c")


@case("the links of a replaced object go down, and its other names stay")
def victim():
    write("a", b"new")
    write("b", b"old")
    os.link("b", "c")
    os.rename("a", "b")
    equal((read("b"), read("c"), nlink("c"), nlink("b")), (b"new", b"old", 1, 1))


@case("two names of one object: rename does nothing")
def same_object():
    write("a", b"x")
    os.link("a", "b")
    with unchanged("a", "."):
        os.rename("a", "b")
        os.rename("a", "a")
    equal((sorted(os.listdir(".")), nlink("a")), (["a", "b"], 2))


@case("a name with other links moves, too, first or later")
def linked():
    os.mkdir("d")
    write("a", b"x")
    os.link("a", "b")
    os.rename("a", "d/a")
    os.rename("b", "c")
    equal((nlink("c"), inode("d/a") == inode("c"), read("d/a")), (2, True, b"x"))


@case("a directory moves with all below it, and its .. and both parents' link counts follow")
def across():
    for name in ("p", "q", "p/d", "p/d/e"):
        os.mkdir(name)
    write("p/d/e/f", b"deep")
    os.rename("p/d", "q/d")
    equal((nlink("p"), nlink("q"), nlink("q/d")), (2, 3, 3))
    equal((inode("q/d/.."), read("q/d/e/f"), read(os.path.join(there(), "q/d/e/f"))), (inode("q"), b"deep", b"deep"))
    refuses(errno.ENOENT, os.stat, "p/d/e/f")
    os.mkdir("p/empty")
    os.rename("q/d", "p/empty")
    equal((nlink("p"), nlink("q"), inode("p/empty/..")), (3, 2, inode("p")))


@case("an open file and a process's directory go along")
def in_use():
    os.mkdir("p")
    os.mkdir("q")
    write("p/f", b"x")
    with opened("p/f") as fd:
        os.rename("p/f", "q/f")
        os.write(fd, b"yz")
    equal(read("q/f"), b"yz")
    os.chdir("p")
    os.rename("../p", "../q/p")
    write("here", b"1")
    equal((os.listdir("../p"), os.getcwd().endswith("/q/p")), (["here"], True))


@case("onto an open file: it lives on without a name, and the new one is whole")
def onto_open():
    write("a", b"new")
    write("b", b"old content")
    with opened("b") as fd:
        os.rename("a", "b")
        equal((os.pread(fd, 100, 0), os.fstat(fd).st_nlink), (b"old content", 0))
        os.pwrite(fd, b"OLD", 0)
        equal((os.pread(fd, 100, 0), read("b")), (b"OLD content", b"new"))
    equal(read(os.path.join(there(), "b")), b"new")


@case("replaced over and over while others read: always one whole content")
def atomic():
    rounds = 400 // SLOWER
    write("f", b"0" * 5000)
    over = threading.Event()
    bad = []

    def look():
        while not over.is_set():
            data = read(os.path.join(there(), "f"))
            if len(data) != 5000 or len(set(data)) != 1:
                bad.append(data[:20])

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(rounds):
        write("new", b"%d" % (number % 10) * 5000)
        os.rename("new", "f")
    over.set()
    reader.join(20)
    equal(bad, [])


# --- refusals ---


@case("EINVAL: a directory into itself or below itself")
def into_itself():
    os.mkdir("d")
    os.mkdir("d/e")
    with unchanged("d", "d/e", "."):
        for target in ("d/x", "d/e/x"):
            refuses(errno.EINVAL, os.rename, "d", target)
            refuses(errno.EINVAL, renameat2, "d", target, RENAME_NOREPLACE)
        refuses(errno.EINVAL, os.rename, "d", "d/e")
        refuses(errno.EINVAL, renameat2, "d", "d/e", RENAME_EXCHANGE)


@case("ENOTEMPTY: onto an ancestor; EXCHANGE with one: EINVAL")
def onto_ancestor():
    os.mkdir("d")
    os.mkdir("d/e")
    write("d/e/f")
    os.mkdir("d/e/g")
    with unchanged("d", "d/e", "."):
        for name in ("d/e", "d/e/g", "d/e/f"):
            refuses(errno.ENOTEMPTY, os.rename, name, "d")
            refuses(errno.EINVAL, renameat2, name, "d", RENAME_EXCHANGE)


@case("EBUSY: . and .. are not renamed, nor replaced")
def dots():
    os.mkdir("d")
    os.mkdir("d/e")
    for name in ("d/.", "d/e/.."):
        refuses(errno.EBUSY, os.rename, name, "x")
        refuses(errno.EBUSY, os.rename, "d/e", name)


@case("ENOENT, ENOTDIR: what is not there, by each end")
def missing():
    write("f")
    os.symlink("nowhere", "s")
    refuses(errno.ENOENT, os.rename, "none", "x")
    refuses(errno.ENOENT, os.rename, "f", "none/x")
    refuses(errno.ENOENT, os.rename, "none/x", "x")
    refuses(errno.ENOENT, os.rename, "f", "s/x")
    refuses(errno.ENOTDIR, os.rename, "f/x", "x")
    refuses(errno.ENOTDIR, os.rename, "f", "f/x")


@case("trailing slashes are for directories: else ENOTDIR")
def slashes():
    os.mkdir("d")
    os.rename("d/", "e")
    os.rename("e", "d/")
    os.rename("d/", "e/")
    write("f")
    for source, target in (("f/", "g"), ("f", "g/"), ("f/", "e"), ("e", "f/")):
        refuses(errno.ENOTDIR, os.rename, source, target)
    os.symlink("e", "to-e")
    refuses(errno.ENOTDIR, os.rename, "to-e/", "x")
    equal(sorted(os.listdir(".")), ["e", "f", "to-e"])


@case("a directory that the other mount removed takes nothing: ENOENT")
def removed():
    os.mkdir("d")
    write("f")
    fd = os.open("d", os.O_RDONLY)
    os.rmdir(os.path.join(there(), "d"))
    refuses(errno.ENOENT, os.rename, "f", "x", dst_dir_fd=fd)
    os.close(fd)
    equal(read("f"), b"")


# --- flags ---


@case("NOREPLACE: moves to a free name, and refuses a taken one of any kind: EEXIST")
def noreplace():
    write("f", b"x")
    for kind in KINDS:
        make(kind, kind)
        with unchanged("f", kind, "."):
            refuses(errno.EEXIST, renameat2, "f", kind, RENAME_NOREPLACE)
            refuses(errno.EEXIST, renameat2, kind, "f", RENAME_NOREPLACE)
    renameat2("f", "g", RENAME_NOREPLACE)
    equal(read("g"), b"x")


@case("EXCHANGE: any two objects change places, directories with files, too")
def exchange():
    os.mkdir("p")
    os.mkdir("q")
    for one in KINDS:
        for two in KINDS:
            make(one, "p/x")
            make(two, "q/y")
            before = inode("p/x"), inode("q/y")
            renameat2("p/x", "q/y", RENAME_EXCHANGE)
            equal((inode("q/y"), inode("p/x")), before)
            equal((nlink("p"), nlink("q")), (2 + (two == "directory"), 2 + (one == "directory")))
            for name, parent in (("p/x", "p"), ("q/y", "q")):
                if os.path.isdir(name):
                    equal(inode(name + "/.."), inode(parent))
            remove("p/x")
            remove("q/y")


@case("EXCHANGE of full directories, and within one directory, by both mounts")
def exchange_full():
    for name in ("a", "b", "a/sub"):
        os.mkdir(name)
    write("a/f", b"a")
    write("b/f", b"b")
    renameat2("a", "b", RENAME_EXCHANGE)
    equal((read("a/f"), read("b/f"), nlink("a"), nlink("b")), (b"b", b"a", 2, 3))
    equal(read(os.path.join(there(), "b/f")), b"a")
    write("x", b"x")
    renameat2("x", "a", RENAME_EXCHANGE)
    equal((read("a"), sorted(os.listdir("x"))), (b"x", ["f"]))
    with unchanged("a"):
        renameat2("a", "a", RENAME_EXCHANGE)


@case("EXCHANGE with nothing: ENOENT; with NOREPLACE: EINVAL")
def exchange_refuses():
    write("f")
    with unchanged("f", "."):
        refuses(errno.ENOENT, renameat2, "f", "none", RENAME_EXCHANGE)
        refuses(errno.ENOENT, renameat2, "none", "f", RENAME_EXCHANGE)
        refuses(errno.EINVAL, renameat2, "f", "g", RENAME_EXCHANGE | RENAME_NOREPLACE)


@case("WHITEOUT and flags that nobody knows are refused, EINVAL, and the mount goes on")
def whiteout():
    write("f", b"x")
    with unchanged("f", "."):
        refuses(errno.EINVAL, renameat2, "f", "g", 64)
        refuses(errno.EINVAL, renameat2, "f", "g", RENAME_WHITEOUT | RENAME_EXCHANGE)
        if os.path.ismount(os.environ["FARFS_MOUNT"]):
            refuses(errno.EINVAL, renameat2, "f", "g", RENAME_WHITEOUT)
    renameat2("f", "g", RENAME_NOREPLACE)
    equal(read("g"), b"x")


@case("NOREPLACE from both mounts: exactly one wins")
def noreplace_races():
    rounds = 100 // SLOWER
    for number in range(rounds):
        write(f"a{number}", b"first")
        write(f"b{number}", b"second")
    start = os.path.abspath("go")

    def storm(folder, letter):
        os.chdir(folder)
        while not os.path.exists("go"):
            pass
        won = 0
        for number in range(rounds):
            try:
                renameat2(f"{letter}{number}", f"c{number}", RENAME_NOREPLACE)
                won += 1
            except FileExistsError:
                pass
        write("won-" + letter, str(won).encode())

    here = os.getcwd()
    threads = [threading.Thread(target=child, args=(storm, folder, letter)) for folder, letter in ((here, "a"), (there(), "b"))]
    for thread in threads:
        thread.start()
    write(start)
    for thread in threads:
        thread.join()
    equal(int(read("won-a")) + int(read("won-b")), rounds)
    equal(sum(name[0] in "ab" for name in os.listdir(".")), rounds)


@case("directories moved into each other from both mounts: no loop, nothing lost")
def crossing():
    for _ in range(100 // SLOWER):
        os.mkdir("a")
        os.mkdir("b")

        def move(folder, source, target):
            try:
                os.rename(os.path.join(folder, source), os.path.join(folder, target))
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise

        threads = [
            threading.Thread(target=move, args=(os.getcwd(), "a", "b/a")),
            threading.Thread(target=move, args=(there(), "b", "a/b")),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        names = sorted(os.listdir("."))
        assert names in (["a"], ["b"]), names
        equal(os.listdir(names[0]), ["b" if names == ["a"] else "a"])
        os.rmdir(os.path.join(names[0], os.listdir(names[0])[0]))
        os.rmdir(names[0])


run()
