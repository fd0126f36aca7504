"""What the areas share: cases, who makes a call, and calls that Python's os module does not have.

An area is a file of functions that have `@case("what it shows")`, and ends with `run()`. Each case runs in a process and in an empty directory of its own, `here`, of the first mount; the same
directory by another mount of the same server is `there()`.
"""
import contextlib
import ctypes
import errno
import os
import shutil
import socket
import stat
import sys
import tempfile
import time
import traceback

libc = ctypes.CDLL(None, use_errno=True)

FIRST, SECOND = os.environ["FARFS_MOUNT"], os.environ["FARFS_SECOND_MOUNT"]
SLOWER = int(os.environ.get("slower", "1"))  # where the device is emulated: divide counts that are only there to be many
KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
LIMIT_S = 100 * (1 if SLOWER == 1 else 5)  # of a case

cases = []


class Skipped(Exception):
    """The case cannot show anything here; says why."""


def case(name):
    def add(function):
        cases.append((name, function))
        return function

    return add


def there():
    """The case's directory by the second mount."""
    return os.path.join(SECOND, os.path.relpath(os.getcwd(), FIRST))


# --- what is expected ---


def equal(seen, wanted):
    assert seen == wanted, f"{seen!r} instead of {wanted!r}"


def refuses(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OSError as error:
        assert error.errno == code, f"{errno.errorcode.get(error.errno)} instead of {errno.errorcode[code]}"
    else:
        raise AssertionError(f"not refused: {errno.errorcode[code]} is due")


@contextlib.contextmanager
def unchanged(*paths):
    """Nothing that stat shows of these changes meanwhile."""
    before = [os.lstat(path) for path in paths]
    yield
    for path, old in zip(paths, before):
        new = os.lstat(path)
        for field in ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns", "st_blocks"):
            assert getattr(new, field) == getattr(old, field), f"{path}: {field} changed"


@contextlib.contextmanager
def touches(path, *, mtime, ctime):
    """Whether the modification and the change time move on meanwhile."""
    before = os.lstat(path)
    time.sleep(0.002)
    yield
    after = os.lstat(path)
    equal((after.st_mtime_ns > before.st_mtime_ns, after.st_ctime_ns > before.st_ctime_ns), (mtime, ctime))


# --- files ---


def write(name, data=b"", mode=0o644):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        done = 0
        while done < len(data):
            done += os.write(fd, data[done:])
    finally:
        os.close(fd)


def read(name):
    with open(name, "rb") as file:
        return file.read()


@contextlib.contextmanager
def opened(name, flags=os.O_RDWR, mode=0o644):
    fd = os.open(name, flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def mode_of(name):
    return stat.S_IMODE(os.lstat(name).st_mode)


def owner_of(name):
    status = os.lstat(name)
    return status.st_uid, status.st_gid


KINDS = ("regular", "directory", "fifo", "block", "char", "socket", "symlink")


def bind(name):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(name)


def make(kind, name, owner=None, mode=None):
    """An object of one of KINDS."""
    {
        "regular": lambda: write(name),
        "directory": lambda: os.mkdir(name, 0o755),
        "fifo": lambda: os.mkfifo(name, 0o644),
        "block": lambda: os.mknod(name, stat.S_IFBLK | 0o644, os.makedev(1, 2)),
        "char": lambda: os.mknod(name, stat.S_IFCHR | 0o644, os.makedev(1, 2)),
        "socket": lambda: bind(name),
        "symlink": lambda: os.symlink("nowhere", name),
    }[kind]()
    if owner:
        os.lchown(name, *owner)
    if mode is not None:
        os.chmod(name, mode)


def remove(name):
    (os.rmdir if stat.S_ISDIR(os.lstat(name).st_mode) else os.unlink)(name)


# --- others ---


def child(function, *arguments):
    """Runs it in a process of its own; its exception is raised here. Errors keep their errno."""
    report, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(report)
        try:
            function(*arguments)
            text = b""
        except Skipped as skipped:
            text = f"skipped {skipped}".encode()
        except OSError as error:
            text = f"errno {error.errno} {error.strerror}".encode()
        except BaseException:
            text = traceback.format_exc().encode()
        os.write(writer, text[-3000:])
        os._exit(0 if not text else 1)
    os.close(writer)
    with os.fdopen(report, "rb") as file:
        text = file.read().decode()
    _, status = os.waitpid(pid, 0)
    if text.startswith("errno "):
        _, code, said = text.split(" ", 2)
        raise OSError(int(code), said)
    if text.startswith("skipped "):
        raise Skipped(text.split(" ", 1)[1])
    if text or status:
        raise AssertionError(text or f"the child ended with status {status}")


def as_user(uid, gid, function, *arguments, groups=()):
    """As a process of that user, with no rights of root."""

    def become():
        os.setgroups(list(groups))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        function(*arguments)

    child(become)


# --- calls that os does not have ---


def checked(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


AT_FDCWD = -100
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4


def renameat2(old, new, flags):
    checked(libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags))


FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_COLLAPSE_RANGE, FALLOC_ZERO_RANGE, FALLOC_INSERT_RANGE = 1, 2, 8, 16, 32


def fallocate(fd, mode, offset, length):
    checked(libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))


# --- running ---


def run_case(function, folder):
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    os.chdir(folder)
    os.umask(0o022)
    function()


def report(name, failure, skipped=""):
    print(("not ok " if failure else "ok ") + name + (" # SKIP " + skipped if skipped else ""))
    for line in failure.splitlines():
        print("# " + line)
    sys.stdout.flush()


def limited(function, folder):
    """A case that hangs fails, rather than the whole run."""
    import signal

    def late(*_):
        raise AssertionError(f"not done within {LIMIT_S} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_S)
    run_case(function, folder)


def run():
    top = tempfile.mkdtemp(prefix="posix-", dir=FIRST)
    os.chmod(top, 0o755)
    for number, (name, function) in enumerate(cases):
        try:
            child(limited, function, os.path.join(top, str(number)))
            report(name, "")
        except Skipped as skipped:
            report(name, "", str(skipped))
        except (AssertionError, OSError) as error:
            report(name, str(error) or repr(error))
    shutil.rmtree(top)
