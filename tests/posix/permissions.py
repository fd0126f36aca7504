"""Who may do what: permission bits, owners' rules, sticky directories, set-uid and set-gid bits."""
import errno
import os
import stat

from mounted import (
    KINDS,
    as_user,
    case,
    child,
    equal,
    make,
    mode_of,
    opened,
    owner_of,
    read,
    refuses,
    remove,
    renameat2,
    run,
    there,
    touches,
    unchanged,
    write,
)

USER, OTHER, GROUP, SECOND_GROUP = 65534, 65533, 65532, 65531
NOT_LINKS = [kind for kind in KINDS if kind != "symlink"]


# --- permission bits ---


@case("read, write and search permission are checked by owner, group and others")
def bits():
    write("f", b"x")
    os.chown("f", USER, GROUP)
    for shift, uid, gid in ((6, USER, OTHER), (3, OTHER, GROUP), (0, OTHER, OTHER)):
        os.chmod("f", 0o4 << shift)
        as_user(uid, gid, read, "f")
        refuses(errno.EACCES, as_user, uid, gid, os.open, "f", os.O_WRONLY)
        os.chmod("f", 0o2 << shift)
        as_user(uid, gid, os.open, "f", os.O_WRONLY)
        refuses(errno.EACCES, as_user, uid, gid, os.open, "f", os.O_RDONLY)
        refuses(errno.EACCES, as_user, uid, gid, os.open, "f", os.O_RDWR)
        os.chmod("f", 0o777 & ~(0o7 << shift))  # the nearest class decides, even if the others have more
        refuses(errno.EACCES, as_user, uid, gid, os.open, "f", os.O_RDONLY)


@case("a supplementary group counts")
def supplementary():
    write("f", b"x")
    os.chown("f", 0, GROUP)
    os.chmod("f", 0o060)
    refuses(errno.EACCES, as_user, USER, USER, read, "f")
    as_user(USER, USER, read, "f", groups=(SECOND_GROUP, GROUP))


@case("root reads and writes anything, and executes what has an execute bit")
def root():
    write("f", b"x", 0o000)
    equal(read("f"), b"x")
    equal(os.access("f", os.X_OK), False)
    os.chmod("f", 0o001)
    equal(os.access("f", os.X_OK), True)


@case("EACCES: a directory without search permission on the way, by each call")
def search():
    os.mkdir("d")
    write("d/f")
    os.mkdir("d/sub")
    os.chown("d", USER, USER)
    os.chmod("d", 0o644)
    for call in (
        lambda: os.stat("d/f"),
        lambda: os.open("d/f", os.O_RDONLY),
        lambda: os.open("d/new", os.O_CREAT | os.O_WRONLY),
        lambda: os.chmod("d/f", 0o600),
        lambda: os.chown("d/f", USER, USER),
        lambda: os.truncate("d/f", 0),
        lambda: os.utime("d/f"),
        lambda: os.mkdir("d/new"),
        lambda: os.mkfifo("d/new"),
        lambda: os.symlink("x", "d/new"),
        lambda: os.readlink("d/f"),
        lambda: os.link("d/f", "d/new"),
        lambda: os.link("d/f", "new"),
        lambda: os.rename("d/f", "d/new"),
        lambda: os.rename("d/f", "new"),
        lambda: os.unlink("d/f"),
        lambda: os.rmdir("d/sub"),
        lambda: os.chdir("d"),
    ):
        refuses(errno.EACCES, as_user, USER, USER, call)
    as_user(USER, USER, os.listdir, "d")


@case("EACCES: a directory without write permission refuses new and old names")
def write_permission():
    os.mkdir("d")
    write("d/f")
    os.mkdir("d/sub")
    os.chown("d", USER, USER)
    os.chown("d/f", USER, USER)
    os.chown("d/sub", USER, USER)
    os.chmod("d", 0o555)
    write("mine")
    os.chown("mine", USER, USER)
    with unchanged("d", "d/f", "d/sub"):
        for call in (
            lambda: os.open("d/new", os.O_CREAT | os.O_WRONLY),
            lambda: os.mkdir("d/new"),
            lambda: os.mkfifo("d/new"),
            lambda: os.symlink("x", "d/new"),
            lambda: os.link("mine", "d/new"),
            lambda: os.rename("d/f", "d/new"),
            lambda: os.rename("d/f", "new"),
            lambda: os.rename("mine", "d/new"),
            lambda: os.rename("mine", "d/f"),
            lambda: renameat2("mine", "d/f", 2),
            lambda: os.unlink("d/f"),
            lambda: os.rmdir("d/sub"),
        ):
            refuses(errno.EACCES, as_user, USER, USER, call)
    as_user(USER, USER, os.open, "d/f", os.O_RDWR)
    as_user(USER, USER, os.open, "d/f", os.O_CREAT | os.O_RDWR)


@case("EACCES: a directory that is moved to another parent must be writable itself")
def move_directory():
    os.mkdir("a")
    os.mkdir("a/d", 0o755)
    os.mkdir("b")
    for name in ("a", "b"):
        os.chown(name, USER, USER)
    refuses(errno.EACCES, as_user, USER, USER, os.rename, "a/d", "b/d")
    as_user(USER, USER, os.rename, "a/d", "a/e")  # its `..` stays as it is
    os.chmod("a/e", 0o777)
    as_user(USER, USER, os.rename, "a/e", "b/d")


@case("truncate, exec and access need their permission")
def others():
    write("f", b"#!/bin/true\n", 0o744)
    refuses(errno.EACCES, as_user, USER, USER, os.truncate, "f", 0)
    refuses(errno.EACCES, as_user, USER, USER, os.execv, "f", ["f"])
    as_user(USER, USER, equal, os.access("f", os.R_OK), True)
    as_user(USER, USER, lambda: equal((os.access("f", os.R_OK), os.access("f", os.W_OK), os.access("f", os.X_OK)), (True, False, False)))


@case("new objects belong to the caller, and the umask is applied")
def ownership():
    def check(kind):
        os.umask(0o027)
        make(kind, kind)
        equal(owner_of(kind), (USER, GROUP))
        if kind != "symlink":
            equal(mode_of(kind), {"directory": 0o750, "socket": 0o750}.get(kind, 0o640))

    for kind in KINDS:
        if kind not in ("block", "char"):
            as_user(USER, GROUP, check, kind)
    for mask, wanted in ((0o077, 0o100), (0o070, 0o305), (0o501, 0o244)):
        os.umask(mask)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o151 if mask == 0o077 else 0o345))
        equal(mode_of("f"), wanted)
        os.unlink("f")


@case("mkdir and open take the sticky bit, open set-uid and set-gid, too")
def special_bits():
    os.umask(0)
    os.mkdir("d", 0o7777)
    equal(mode_of("d") & 0o1777, 0o1777)
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o6777))
    equal(mode_of("f"), 0o6777)


@case("EPERM: only root makes devices")
def devices():
    refuses(errno.EPERM, as_user, USER, USER, os.mknod, "c", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    refuses(errno.EPERM, as_user, USER, USER, os.mknod, "b", stat.S_IFBLK | 0o600, os.makedev(1, 3))
    as_user(USER, USER, os.mknod, "r", stat.S_IFREG | 0o600)
    as_user(USER, USER, os.mknod, "p", stat.S_IFIFO | 0o600)


# --- chmod ---


@case("chmod changes every bit of every kind of object but links, through links, and the change time")
def chmod():
    for kind in NOT_LINKS:
        make(kind, kind)
        os.symlink(kind, "link")
        for mode in (0, 0o111, 0o7777, 0o1644, 0o4755, 0o2755):
            with touches(kind, mtime=False, ctime=True):
                os.chmod(kind, mode)
            equal(mode_of(kind), mode)
        os.chmod("link", 0o321)
        equal((mode_of(kind), mode_of("link")), (0o321, 0o777))
        os.unlink("link")


@case("EPERM: chmod by another user; the owner may")
def chmod_owner():
    for kind in NOT_LINKS:
        make(kind, kind, owner=(USER, USER))
        as_user(USER, USER, os.chmod, kind, 0o111)
        with unchanged(kind):
            refuses(errno.EPERM, as_user, OTHER, USER, os.chmod, kind, 0o642)
        equal(mode_of(kind), 0o111)


@case("chmod by an owner who is not in the group clears set-gid; by a member, or by root, it does not")
def chmod_not_member():
    for kind in ("regular", "directory"):
        make(kind, kind, owner=(USER, GROUP))
        as_user(USER, GROUP, os.chmod, kind, 0o2755)
        equal(mode_of(kind), 0o2755)
        as_user(USER, OTHER, os.chmod, kind, 0o2755)
        equal(mode_of(kind), 0o755)
        as_user(USER, OTHER, os.chmod, kind, 0o2755, groups=(GROUP,))
        equal(mode_of(kind), 0o2755)
        os.chmod(kind, 0o6755)
        equal(mode_of(kind), 0o6755)


@case("the sticky bit of a file may be set by its owner")
def sticky_file():
    write("f")
    os.chown("f", USER, USER)
    as_user(USER, USER, os.chmod, "f", 0o1644)
    equal(mode_of("f"), 0o1644)


# --- chown ---


@case("root gives any object to anyone; links themselves by lchown")
def chown():
    for kind in KINDS:
        make(kind, kind)
        with touches(kind, mtime=False, ctime=True):
            os.lchown(kind, 123, 456)
        equal(owner_of(kind), (123, 456))
        os.lchown(kind, -1, 7)
        equal(owner_of(kind), (123, 7))
        os.lchown(kind, 8, -1)
        equal(owner_of(kind), (8, 7))
    os.symlink("regular", "link")
    os.chown("link", 1, 2)
    equal((owner_of("regular"), owner_of("link")), ((1, 2), (0, 0)))
    os.chown("regular", 0xFFFFFFFE, 0xFFFFFFFD)
    equal(owner_of("regular"), (0xFFFFFFFE, 0xFFFFFFFD))


@case("an owner gives a group that he is in, and nothing else: EPERM")
def chown_group():
    for kind in KINDS:
        make(kind, kind, owner=(USER, OTHER))
        as_user(USER, GROUP, os.lchown, kind, -1, GROUP, groups=(SECOND_GROUP,))
        as_user(USER, GROUP, os.lchown, kind, USER, SECOND_GROUP, groups=(SECOND_GROUP,))
        equal(owner_of(kind), (USER, SECOND_GROUP))
        with unchanged(kind):
            refuses(errno.EPERM, as_user, USER, GROUP, os.lchown, kind, -1, OTHER, groups=(SECOND_GROUP,))
            refuses(errno.EPERM, as_user, USER, GROUP, os.lchown, kind, OTHER, -1)
            refuses(errno.EPERM, as_user, OTHER, GROUP, os.lchown, kind, -1, GROUP)
            refuses(errno.EPERM, as_user, OTHER, GROUP, os.lchown, kind, OTHER, -1)


@case("chown to -1, -1 is anyone's and changes no owner")
def chown_nothing():
    for kind in KINDS:
        make(kind, kind)
        as_user(USER, USER, os.lchown, kind, -1, -1)
        equal(owner_of(kind), (0, 0))


@case("chown clears set-uid and set-gid of everything but directories, root's chown too")
def chown_bits():
    for kind in NOT_LINKS:
        make(kind, kind, owner=(USER, GROUP), mode=0o6555)
        left = 0o6555 if kind == "directory" else 0o555
        as_user(USER, GROUP, os.chown, kind, USER, SECOND_GROUP, groups=(SECOND_GROUP,))
        equal((mode_of(kind), owner_of(kind)), (left, (USER, SECOND_GROUP)))
        os.chmod(kind, 0o6555)
        as_user(USER, GROUP, os.chown, kind, -1, GROUP, groups=(SECOND_GROUP,))
        equal((mode_of(kind), owner_of(kind)), (left, (USER, GROUP)))
        os.chmod(kind, 0o6555)
        os.chown(kind, OTHER, OTHER)
        equal((mode_of(kind), owner_of(kind)), (left, (OTHER, OTHER)))


@case("set-gid without group execute is no set-gid: chown by root keeps it")
def chown_mandatory_lock():
    write("f")
    os.chmod("f", 0o2644)
    os.chown("f", USER, GROUP)
    equal(mode_of("f"), 0o2644)


# --- set-uid and set-gid, and what changes the content ---


def clears(change, mode=0o6777, left=0o777):
    write("f", b"content")
    os.chmod("f", mode)
    os.chown("f", OTHER, OTHER)
    os.chmod("f", mode)
    as_user(USER, USER, change)
    equal(mode_of("f"), left)
    os.unlink("f")


def append(data=b"x", flags=os.O_WRONLY):
    with opened("f", flags) as fd:
        os.write(fd, data)
        equal(stat.S_IMODE(os.fstat(fd).st_mode), 0o777)


@case("a write by somebody else clears set-uid and set-gid, at once")
def write_clears():
    for mode in (0o4777, 0o2777, 0o6777):
        clears(append, mode)
        clears(lambda: append(flags=os.O_RDWR), mode)
        clears(lambda: append(flags=os.O_WRONLY | os.O_APPEND), mode)
        clears(lambda: append(flags=os.O_RDWR | os.O_APPEND), mode)


@case("a direct write by somebody else clears set-uid and set-gid, again and again")
def direct_write_clears():
    import mmap

    write("f", b"x" * 8192)
    os.chown("f", OTHER, OTHER)
    os.chmod("f", 0o6777)
    page = mmap.mmap(-1, 4096)

    def writes():
        with opened("f", os.O_RDWR | os.O_DIRECT) as fd:
            for _ in range(3):
                os.pwrite(fd, page, 4096)

    as_user(USER, USER, writes)
    equal(mode_of("f"), 0o777)
    os.chmod("f", 0o6777)
    as_user(USER, USER, writes)
    equal(mode_of("f"), 0o777)
    os.chmod("f", 0o6777)
    writes()  # root's
    equal(mode_of("f"), 0o6777)


@case("truncate, ftruncate and O_TRUNC by somebody else clear set-uid and set-gid")
def truncate_clears():
    def ftruncate():
        with opened("f") as fd:
            os.ftruncate(fd, 3)

    for mode in (0o4777, 0o2777, 0o6777):
        clears(lambda: os.truncate("f", 3), mode)
        clears(ftruncate, mode)
        clears(lambda: os.close(os.open("f", os.O_WRONLY | os.O_TRUNC)), mode)


@case("set-gid of what nobody executes goes by a write of somebody else, too")
def write_clears_unexecuted():
    def change():
        with opened("f", os.O_WRONLY) as fd:
            os.write(fd, b"x")

    clears(change, 0o6666, 0o666)
    clears(change, 0o2666, 0o666)
    clears(lambda: os.truncate("f", 3), 0o6666, 0o666)


@case("set-gid of what nobody executes stays when a member of the group writes; set-uid goes")
def write_of_member():
    def change():
        with opened("f", os.O_WRONLY) as fd:
            os.write(fd, b"x")

    for call in (change, lambda: os.truncate("f", 3), lambda: os.close(os.open("f", os.O_WRONLY | os.O_TRUNC))):
        for group, groups in ((GROUP, ()), (USER, (GROUP,))):
            write("f", b"content")
            os.chown("f", 0, GROUP)
            os.chmod("f", 0o6666)
            as_user(USER, group, call, groups=groups)
            equal(oct(mode_of("f")), oct(0o2666))


@case("set-uid that the other mount sets is cleared by this one's next write")
def set_by_other_mount():
    write("f", b"content")
    os.chmod("f", 0o777)

    def writes(fd):
        os.setresuid(USER, USER, USER)
        for _ in range(20):
            os.pwrite(fd, b"x", 0)

    for flags in (os.O_RDWR, os.O_RDWR | os.O_APPEND, os.O_WRONLY | os.O_APPEND):
        with opened("f", flags) as fd:
            child(writes, fd)
            os.chmod(os.path.join(there(), "f"), 0o6777)
            child(writes, fd)
        equal(mode_of("f"), 0o777)


@case("a write by root keeps set-uid and set-gid")
def root_keeps():
    write("f", b"content")
    os.chmod("f", 0o6777)
    with opened("f") as fd:
        os.write(fd, b"x")
        os.ftruncate(fd, 3)
    os.truncate("f", 1)
    os.close(os.open("f", os.O_WRONLY | os.O_TRUNC))
    equal(mode_of("f"), 0o6777)


@case("a write of nothing, and a refused one, keep set-uid")
def nothing_keeps():
    def nothing():
        with opened("f", os.O_WRONLY) as fd:
            os.write(fd, b"")

    clears(nothing, 0o4777, 0o4777)
    write("f")
    os.chown("f", OTHER, OTHER)
    os.chmod("f", 0o4755)
    refuses(errno.EACCES, as_user, USER, USER, os.truncate, "f", 0)
    equal(mode_of("f"), 0o4755)


@case("the owner's own write clears set-uid, too")
def owner_clears():
    write("f")
    os.chown("f", USER, USER)
    os.chmod("f", 0o6777)
    as_user(USER, USER, append)
    equal(mode_of("f"), 0o777)


# --- set-gid directories ---


@case("a set-gid directory gives its group to all that is made in it, and set-gid to directories")
def setgid_directory():
    os.mkdir("d")
    os.chown("d", 0, GROUP)
    os.chmod("d", 0o2777)
    for kind in KINDS:
        make(kind, "d/" + kind)
        equal(owner_of("d/" + kind), (0, GROUP))
    equal(mode_of("d/directory"), 0o2755)
    os.mkdir("d/directory/below")
    equal((owner_of("d/directory/below")[1], mode_of("d/directory/below")), (GROUP, 0o2755))

    def by_user():
        os.mkdir("d/his", 0o755)
        write("d/file")
        os.umask(0)
        os.close(os.open("d/foreign", os.O_CREAT | os.O_WRONLY, 0o2777))

    as_user(USER, USER, by_user)
    equal((owner_of("d/his"), mode_of("d/his")), ((USER, GROUP), 0o2755))
    equal(owner_of("d/file"), (USER, GROUP))
    equal(mode_of("d/foreign"), 0o777)  # he is not in the group that he would give rights of


@case("what is linked or moved into a set-gid directory keeps its group")
def setgid_move():
    os.mkdir("d")
    os.chown("d", 0, GROUP)
    os.chmod("d", 0o2777)
    write("f")
    os.link("f", "d/linked")
    os.mkdir("m")
    os.rename("m", "d/moved")
    equal((owner_of("d/linked"), owner_of("d/moved"), mode_of("d/moved")), ((0, 0), (0, 0), 0o755))


# --- sticky directories ---


def sticky(directory_owner, file_owner):
    os.mkdir("s")
    write("s/f")
    os.mkdir("s/d")
    os.chown("s/f", file_owner, file_owner)
    os.chown("s/d", file_owner, file_owner)
    os.chown("s", directory_owner, directory_owner)
    os.chmod("s", 0o1777)
    write("mine")
    os.chown("mine", USER, USER)


def clear():
    for name in ("s/f", "s/d", "s/g", "mine", "out", "s"):
        if os.path.lexists(name):
            remove(name)


@case("EPERM: in a sticky directory only the name's or the directory's owner removes, moves or replaces")
def sticky_refuses():
    for owner in (0, OTHER):
        sticky(owner, owner)
        with unchanged("s", "s/f", "s/d", "mine"):
            for call in (
                lambda: os.unlink("s/f"),
                lambda: os.rmdir("s/d"),
                lambda: os.rename("s/f", "s/g"),
                lambda: os.rename("s/f", "out"),
                lambda: os.rename("mine", "s/f"),
                lambda: renameat2("mine", "s/f", 2),
                lambda: renameat2("s/f", "mine", 2),
            ):
                refuses(errno.EPERM, as_user, USER, USER, call)
        clear()


@case("in a sticky directory the owner of the name, or of the directory, removes, moves and replaces")
def sticky_allows():
    for directory_owner, file_owner in ((USER, OTHER), (OTHER, USER), (USER, USER)):
        for call in (
            lambda: os.unlink("s/f"),
            lambda: os.rmdir("s/d"),
            lambda: os.rename("s/f", "s/g"),
            lambda: os.rename("s/f", "out"),
            lambda: os.rename("mine", "s/f"),
            lambda: renameat2("mine", "s/f", 2),
        ):
            sticky(directory_owner, file_owner)
            as_user(USER, USER, call)
            clear()


@case("anyone makes names in a sticky directory that he may write")
def sticky_makes():
    sticky(0, 0)
    as_user(USER, USER, write, "s/new")
    as_user(USER, USER, os.mkdir, "s/newer")
    as_user(USER, USER, os.rename, "mine", "s/newest")


# --- who may set times ---


@case("utimensat to a given time is the owner's: EPERM; to now also for who may write, else EACCES")
def utimes():
    write("f")
    os.chown("f", OTHER, OTHER)
    os.chmod("f", 0o644)
    with unchanged("f"):
        refuses(errno.EPERM, as_user, USER, USER, lambda: os.utime("f", ns=(1, 1)))
        refuses(errno.EACCES, as_user, USER, USER, os.utime, "f")
    os.chmod("f", 0o666)
    as_user(USER, USER, os.utime, "f")
    refuses(errno.EPERM, as_user, USER, USER, lambda: os.utime("f", ns=(1, 1)))
    os.chmod("f", 0o000)
    as_user(OTHER, OTHER, lambda: os.utime("f", ns=(1, 2)))
    as_user(OTHER, OTHER, os.utime, "f")
    os.utime("f", ns=(3, 4))


run()
