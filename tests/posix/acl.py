"""POSIX access control lists: acl(5), setfacl(1); on mounts with -o acl."""
import errno
import os
import stat
import struct
import subprocess

from mounted import AT_FDCWD, as_user, case, checked, equal, libc, mode_of, opened, read, refuses, run, there, touches, unchanged, write

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
NOBODY = 0xFFFFFFFF
AT_SYMLINK_FOLLOW = 0x400
OWNER, FRIEND, STRANGER = 1200, 1201, 1202  # users, and their groups


def packed(*entries):
    """(tag, permissions) or (tag, permissions, id)..."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, permissions, *(rest or [NOBODY])) for tag, permissions, *rest in entries)


def setfacl(*arguments):
    subprocess.run(["setfacl", *arguments], check=True)


def getfacl(path, *options):
    """The entries as lines, without what is said of their effect."""
    text = subprocess.run(["getfacl", "-cpE", "-n", *options, path], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [line for line in text.split("\n") if line]


def has(path, name):
    try:
        os.getxattr(path, name)
    except OSError as error:
        equal(error.errno, errno.ENODATA)
        return False
    return True


def owned(path, mode):
    write(path, b"content", mode)
    os.chmod(path, mode)
    os.chown(path, OWNER, OWNER)


def append(path):
    with opened(path, os.O_WRONLY | os.O_APPEND) as fd:
        os.write(fd, b"+")


@case("a named user has what the list gives, others have not; on both mounts")
def named_user():
    owned("f", 0o600)
    setfacl("-m", f"u:{FRIEND}:r", "f")
    for path in ("f", os.path.join(there(), "f")):
        as_user(FRIEND, FRIEND, read, path)
        refuses(errno.EACCES, as_user, FRIEND, FRIEND, append, path)
        refuses(errno.EACCES, as_user, STRANGER, STRANGER, read, path)
        as_user(OWNER, OWNER, append, path)
    setfacl("-m", f"u:{FRIEND}:rw", os.path.join(there(), "f"))
    as_user(FRIEND, FRIEND, append, "f")
    setfacl("-x", f"u:{FRIEND}", "f")
    refuses(errno.EACCES, as_user, FRIEND, FRIEND, read, os.path.join(there(), "f"))


@case("a named group has what the list gives, by any of a user's groups")
def named_group():
    owned("f", 0o600)
    setfacl("-m", "g:4321:rw", "f")
    as_user(STRANGER, STRANGER, append, "f", groups=[7, 4321])
    as_user(STRANGER, 4321, append, "f")
    refuses(errno.EACCES, as_user, STRANGER, STRANGER, read, "f", groups=[7])


@case("the mask bounds named users and groups and the owning group, not the owner and others")
def mask():
    owned("f", 0o604)
    setfacl("-m", f"u:{FRIEND}:rw,g::rw,m::x", "f")
    refuses(errno.EACCES, as_user, FRIEND, FRIEND, read, "f")
    refuses(errno.EACCES, as_user, STRANGER, OWNER, read, "f")
    as_user(OWNER, OWNER, append, "f")
    as_user(STRANGER, STRANGER, read, "f")
    equal(mode_of("f"), 0o614)


@case("a named entry takes away as well: what others have a named user without rights has not")
def denied():
    owned("f", 0o644)
    setfacl("-m", f"u:{FRIEND}:-", "f")
    refuses(errno.EACCES, as_user, FRIEND, FRIEND, read, "f")
    as_user(STRANGER, STRANGER, read, "f")


@case("an access ACL sets the mode: its group bits are the mask's")
def sets_mode():
    write("f")
    with touches("f", mtime=False, ctime=True):
        os.setxattr("f", ACCESS, packed((USER_OBJ, 7), (USER, 6, 5), (GROUP_OBJ, 1), (MASK, 5), (OTHER, 4)))
    equal(mode_of("f"), 0o754)
    equal(getfacl("f"), ["user::rwx", "user:5:rw-", "group::--x", "mask::r-x", "other::r--"])


@case("an ACL that says no more than the mode is not kept as one")
def equivalent():
    write("f", mode=0o600)
    os.setxattr("f", ACCESS, packed((USER_OBJ, 6), (GROUP_OBJ, 4), (OTHER, 4)))
    equal((mode_of("f"), has("f", ACCESS), os.listxattr("f").count(ACCESS)), (0o644, False, 0))
    setfacl("-m", "u:5:rwx", "f")
    equal((mode_of("f"), has("f", ACCESS)), (0o674, True))
    os.setxattr("f", ACCESS, packed((USER_OBJ, 6), (GROUP_OBJ, 0), (OTHER, 0)))
    equal((mode_of("f"), has("f", ACCESS)), (0o600, False))


@case("removing the ACL leaves the mode; removing one that is not there is no error")
def removed():
    write("f", mode=0o640)
    setfacl("-m", "u:5:rwx", "f")
    equal(mode_of("f"), 0o670)
    os.removexattr("f", ACCESS)
    equal((mode_of("f"), has("f", ACCESS)), (0o670, False))
    os.removexattr("f", ACCESS)
    os.mkdir("d")
    os.removexattr("d", DEFAULT)
    setfacl("-b", "d")


@case("chmod changes owner, others and the mask of the ACL; without a mask the group")
def chmod():
    write("f", mode=0o600)
    setfacl("-m", "u:5:rwx,g::r", "f")
    os.chmod("f", 0o751)
    equal(getfacl("f"), ["user::rwx", "user:5:rwx", "group::r--", "mask::r-x", "other::--x"])
    with opened(os.path.join(there(), "f")) as fd:
        os.fchmod(fd, 0o4600)
    equal(getfacl("f"), ["user::rw-", "user:5:rwx", "group::r--", "mask::---", "other::---"])
    equal(mode_of("f"), 0o4600)


@case("a default ACL is inherited by files, less what the mode of their creation does not allow")
def inherited_by_files():
    os.mkdir("d")
    setfacl("-d", "-m", f"u:{FRIEND}:rwx,g::rx,o::-", "d")
    os.umask(0o077)  # has no say
    write("d/f", mode=0o666)
    equal(getfacl("d/f"), ["user::rw-", f"user:{FRIEND}:rwx", "group::r-x", "mask::rw-", "other::---"])
    equal((mode_of("d/f"), has("d/f", ACCESS)), (0o660, True))
    os.mkfifo("d/p", 0o640)
    equal((mode_of("d/p"), getfacl("d/p")[3]), (0o640, "mask::r--"))
    os.mknod("d/n", stat.S_IFREG | 0o600)
    equal(mode_of("d/n"), 0o600)
    os.symlink("f", "d/s")
    equal(os.listxattr("d/s", follow_symlinks=False), [])
    os.link("d/p", "q")
    equal(getfacl("q")[3], "mask::r--")


@case("a directory inherits the default ACL as its own, too, and so do those below it")
def inherited_by_directories():
    os.mkdir("d")
    setfacl("-d", "-m", f"u:{FRIEND}:rwx", "d")
    os.umask(0o077)
    os.makedirs("d/1/2")
    for path in ("d/1", "d/1/2"):
        equal(getfacl(path, "-d"), getfacl("d", "-d"))
        equal((getfacl(path, "-a")[1], mode_of(path)), (f"user:{FRIEND}:rwx", 0o775))
    write("d/1/2/f", mode=0o666)
    equal(mode_of("d/1/2/f"), 0o664)


@case("a default ACL that says no more than a mode leaves files without an ACL")
def plain_default():
    os.mkdir("d")
    os.setxattr("d", DEFAULT, packed((USER_OBJ, 7), (GROUP_OBJ, 4), (OTHER, 0)))
    os.umask(0o027)
    write("d/f", mode=0o666)
    equal((mode_of("d/f"), has("d/f", ACCESS)), (0o640, False))
    os.mkdir("d/e")
    equal((mode_of("d/e"), has("d/e", ACCESS), has("d/e", DEFAULT)), (0o740, False, True))


@case("a file that begins without a name (O_TMPFILE) inherits, too, and keeps it when it is linked")
def tmpfile():
    os.mkdir("d")
    setfacl("-d", "-m", f"u:{FRIEND}:r", "d")
    os.umask(0o077)
    with opened("d", os.O_RDWR | os.O_TMPFILE, 0o666) as fd:
        checked(libc.linkat(AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, b"f", AT_SYMLINK_FOLLOW))
    equal((getfacl("f")[1], mode_of("f")), (f"user:{FRIEND}:r--", 0o644))
    os.mkdir("plain")
    with opened("plain", os.O_RDWR | os.O_TMPFILE, 0o666) as fd:
        equal(os.fstat(fd).st_mode & 0o777, 0o600)


@case("without a default ACL the umask counts")
def umask():
    os.mkdir("d")
    os.umask(0o027)
    write("d/f", mode=0o666)
    os.mkdir("d/e", 0o777)
    os.mkfifo("d/p", 0o666)
    equal([mode_of(path) for path in ("d/f", "d/e", "d/p")], [0o640, 0o750, 0o640])


@case("what the other mount makes inherits, too, and moved objects keep what they have")
def elsewhere():
    os.mkdir("d")
    setfacl("-d", "-m", f"u:{FRIEND}:r", "d")
    write(os.path.join(there(), "d/f"), mode=0o666)
    equal(getfacl("d/f")[1], f"user:{FRIEND}:r--")
    write("g", mode=0o600)
    os.rename("g", "d/g")
    equal((mode_of("d/g"), has("d/g", ACCESS)), (0o600, False))


@case("only the owner and root change an ACL: EPERM")
def owners_only():
    owned("f", 0o666)
    entries = packed((USER_OBJ, 6), (USER, 7, FRIEND), (GROUP_OBJ, 6), (MASK, 7), (OTHER, 6))
    with unchanged("f"):
        refuses(errno.EPERM, as_user, FRIEND, FRIEND, os.setxattr, "f", ACCESS, entries)
    as_user(OWNER, OWNER, os.setxattr, "f", ACCESS, entries)
    refuses(errno.EPERM, as_user, FRIEND, FRIEND, os.removexattr, "f", ACCESS)
    as_user(STRANGER, STRANGER, os.getxattr, "f", ACCESS)


@case("a default ACL is for directories: EACCES; links have none")
def types():
    write("f")
    os.symlink("f", "s")
    entries = packed((USER_OBJ, 7), (GROUP_OBJ, 5), (OTHER, 5))
    refuses(errno.EACCES, os.setxattr, "f", DEFAULT, entries)
    refuses(errno.EOPNOTSUPP, os.setxattr, "s", ACCESS, entries, follow_symlinks=False)


@case("what is no ACL is refused: EINVAL; nothing changes")
def invalid():
    write("f")
    os.mkdir("d")
    three = (USER_OBJ, 7), (GROUP_OBJ, 5), (OTHER, 5)
    wrong = [
        b"x",
        struct.pack("<I", 2)[:3],
        packed(*three)[:-1],
        packed((USER_OBJ, 7), (OTHER, 5), (GROUP_OBJ, 5)),
        packed((USER_OBJ, 7), (USER, 7, 5), (GROUP_OBJ, 5), (OTHER, 5)),  # no mask
        packed((USER_OBJ, 7), (GROUP_OBJ, 5)),
        packed((USER_OBJ, 7), (USER_OBJ, 7), (GROUP_OBJ, 5), (OTHER, 5)),
        packed((USER_OBJ, 8), (GROUP_OBJ, 5), (OTHER, 5)),
        packed((USER_OBJ, 7), (GROUP_OBJ, 5), (64, 5), (OTHER, 5)),
    ]
    with unchanged("f", "d"):
        for value in wrong:
            refuses(errno.EINVAL, os.setxattr, "f", ACCESS, value)
            refuses(errno.EINVAL, os.setxattr, "d", DEFAULT, value)
        refuses(errno.EOPNOTSUPP, os.setxattr, "f", ACCESS, struct.pack("<I", 3) + packed(*three)[4:])


@case("an access ACL set by one who is no member of the group clears set-gid; members and root keep it")
def set_gid():
    entries = packed((USER_OBJ, 7), (USER, 7, FRIEND), (GROUP_OBJ, 5), (MASK, 7), (OTHER, 5))

    def set_by(user, groups):
        write("f")
        os.chown("f", OWNER, 4321)
        os.chmod("f", 0o2755)
        as_user(user, user, os.setxattr, "f", ACCESS, entries, groups=groups)
        mode = mode_of("f")
        os.unlink("f")
        return mode

    equal(set_by(OWNER, [1]), 0o775)
    equal(set_by(OWNER, [1, 4321]), 0o2775)
    equal(set_by(0, []), 0o2775)


@case("a directory's access ACL lets a user search and change it")
def directories():
    os.mkdir("d")
    write("d/f")
    os.chmod("d", 0o700)
    refuses(errno.EACCES, as_user, FRIEND, FRIEND, read, "d/f")
    setfacl("-m", f"u:{FRIEND}:x", "d")
    as_user(FRIEND, FRIEND, read, "d/f")
    refuses(errno.EACCES, as_user, FRIEND, FRIEND, os.listdir, "d")
    refuses(errno.EACCES, as_user, FRIEND, FRIEND, write, "d/g")
    setfacl("-m", f"u:{FRIEND}:rwx", "d")
    as_user(FRIEND, FRIEND, write, "d/g")
    equal(sorted(os.listdir("d")), ["f", "g"])


@case("an ACL of hundreds of entries counts to the last")
def many():
    owned("f", 0o600)
    entries = [(USER_OBJ, 6)] + [(USER, 4, uid) for uid in range(10000, 10400)] + [(GROUP_OBJ, 0), (MASK, 4), (OTHER, 0)]
    os.setxattr("f", ACCESS, packed(*entries))
    equal(os.getxattr("f", ACCESS), packed(*entries))
    as_user(10399, 10399, read, "f")
    refuses(errno.EACCES, as_user, 10400, 10400, read, "f")
    os.chmod("f", 0o600)
    refuses(errno.EACCES, as_user, 10399, 10399, read, "f")


@case("renaming, linking and writing leave ACLs as they are")
def stays():
    write("f", mode=0o600)
    setfacl("-m", "u:5:rw", "f")
    before = getfacl("f")
    os.rename("f", "g")
    os.link("g", "h")
    os.unlink("g")
    write("h", bytes(10000))
    equal(getfacl("h"), before)


run()
