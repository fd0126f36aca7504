"""Mapped files, and what passes the kernel's cache by."""
import ctypes
import errno
import mmap
import os
import signal
import subprocess
import time

from mounted import FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, KERNEL, Skipped, case, child, equal, fallocate, libc, opened, read, refuses, run, there, write

PAGE = 4096
PUNCH = FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE
ON_FARFS = any(line.split()[1:3] == [os.environ["FARFS_MOUNT"], "fuse.farfs"] for line in open("/proc/self/mounts"))  # elsewhere the cases are compared


def mapped(fd, length, flags=mmap.MAP_SHARED, protection=mmap.PROT_READ | mmap.PROT_WRITE):
    return mmap.mmap(fd, length, flags, protection)


def faults(function):
    """Whether it ends by SIGBUS."""
    pid = os.fork()
    if pid == 0:
        libc.prctl(4, 0)  # no core
        function()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGBUS


@case("a mapping shows the file, and what write and the mapping store is seen by the other at once")
def same_mount():
    write("f", b"a" * (3 * PAGE))
    with opened("f") as fd, mapped(fd, 3 * PAGE) as view:
        equal(view[:], b"a" * (3 * PAGE))
        os.pwrite(fd, b"b" * 100, PAGE - 50)
        equal(view[PAGE - 51 : PAGE + 51], b"a" + b"b" * 100 + b"a")
        view[2 * PAGE : 2 * PAGE + 3] = b"ccc"
        equal(os.pread(fd, 4, 2 * PAGE), b"ccca")
        equal(read("f")[2 * PAGE : 2 * PAGE + 3], b"ccc")


@case("small files can be mapped as well")
def small():
    for size in (1, 100, 1500, PAGE):
        write("f", b"s" * size)
        with opened("f") as fd, mapped(fd, size) as view:
            equal(view[:], b"s" * size)
            view[size - 1 : size] = b"t"
            view.flush()
        equal(read(there() + "/f"), b"s" * (size - 1) + b"t")


@case("what msync has written the other mount reads; munmap and close bring the rest")
def synced():
    write("f", bytes(64 * PAGE))
    with opened("f") as fd:
        with mapped(fd, 64 * PAGE) as view:
            view[5 * PAGE : 6 * PAGE] = b"x" * PAGE
            view.flush()
            equal(read(there() + "/f")[5 * PAGE : 6 * PAGE], b"x" * PAGE)
            view[9 * PAGE : 9 * PAGE + 1] = b"y"
    equal(read(there() + "/f")[9 * PAGE : 9 * PAGE + 2], b"y\0")


@case("fsync, fdatasync and sync_file_range write a mapping's pages as msync does")
def other_syncs():
    def sync_file_range(fd):
        equal(libc.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), 7), 0)  # waits before and after

    write("f", bytes(PAGE))
    with opened("f") as fd, mapped(fd, PAGE) as view:
        for number, sync in enumerate((os.fsync, os.fdatasync, sync_file_range), 1):
            view[0:1] = bytes([number])
            sync(fd)
            equal(read(there() + "/f")[0], number)


@case("syncfs has a mapping's pages written (it need not wait for them: Linux does not for FUSE, since 6.19 and in stable kernels)")
def synced_all():
    write("f", bytes(PAGE))
    with opened("f") as fd, mapped(fd, PAGE) as view:
        view[0:1] = b"a"
        equal(libc.syncfs(fd), 0)
        until = time.monotonic() + 10
        while read(there() + "/f")[0:1] != b"a":
            assert time.monotonic() < until
            time.sleep(0.01)


@case("a mapping shows what the other mount wrote once this one has looked at the file again")
def other_mount():
    write("f", b"a" * (2 * PAGE))
    with opened("f") as fd, mapped(fd, 2 * PAGE) as view:
        equal(view[0:1], b"a")
        with opened(there() + "/f") as other:
            os.pwrite(other, b"b" * PAGE, 0)
        equal(os.pread(fd, 1, 0), b"b")
        equal(view[:], b"b" * PAGE + b"a" * PAGE)


@case("a private mapping changes for its process alone")
def private():
    write("f", b"a" * PAGE)
    with opened("f", os.O_RDONLY) as fd, mapped(fd, PAGE, mmap.MAP_PRIVATE) as view:
        view[0:3] = b"bbb"
        view[10:11] = b"b"
        equal(view[:12], b"bbbaaaaaaaba")
    equal(read("f"), b"a" * PAGE)
    equal(read(there() + "/f"), b"a" * PAGE)


@case("pages stored through a mapping into holes become the file's")
def into_holes():
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        os.ftruncate(fd, 100 * PAGE)
        equal(os.fstat(fd).st_blocks, 0)
        with mapped(fd, 100 * PAGE) as view:
            for page in range(0, 100, 7):
                view[page * PAGE + 5 : page * PAGE + 8] = b"abc"
            view.flush()
        equal(os.fstat(fd).st_blocks, 8 * len(range(0, 100, 7)))
    data = read(there() + "/f")
    for page in range(100):
        equal(data[page * PAGE : (page + 1) * PAGE], (bytes(5) + b"abc" if page % 7 == 0 else b"").ljust(PAGE, b"\0"))


@case("behind the last page: SIGBUS; behind the end within it: zeros, which are never written")
def bus_error():
    write("f", b"a" * (PAGE + 100))
    with opened("f") as fd, mapped(fd, PAGE + 100) as view:
        libc.mmap.restype = ctypes.c_void_p
        address = libc.mmap(None, ctypes.c_size_t(4 * PAGE), 3, 1, fd, ctypes.c_long(0))
        equal(ctypes.string_at(address + PAGE + 90, 20), b"a" * 10 + bytes(10))
        assert faults(lambda: ctypes.string_at(address + 2 * PAGE, 1))
        if ON_FARFS:  # tmpfs keeps it for the mapping
            ctypes.memset(address + PAGE + 100, 0x62, 50)
        view.flush()
        os.ftruncate(fd, 3 * PAGE)
        equal(os.pread(fd, 3 * PAGE, 0), b"a" * (PAGE + 100) + bytes(2 * PAGE - 100))
        ctypes.memset(address + 2 * PAGE, 0x63, 1)
        equal(os.pread(fd, 1, 2 * PAGE), b"c")
        os.ftruncate(fd, PAGE)
        assert faults(lambda: ctypes.string_at(address + PAGE, 1))
        assert not faults(lambda: ctypes.string_at(address + PAGE - 1, 1))
    equal(read(there() + "/f"), b"a" * PAGE)


@case("the other mount truncates: this one's mapping faults behind the new end once it has looked")
def truncated_there():
    write("f", b"a" * (4 * PAGE))
    with opened("f") as fd, mapped(fd, 4 * PAGE) as view:
        equal(view[3 * PAGE : 3 * PAGE + 1], b"a")
        os.truncate(there() + "/f", PAGE)
        equal(os.fstat(fd).st_size, PAGE)
        assert faults(lambda: view[2 * PAGE])
        equal(view[0:1], b"a")


@case("dirty mapped pages that are cut off do not come back")
def truncated_dirty():
    write("f", b"a" * (8 * PAGE))
    with opened("f") as fd, mapped(fd, 8 * PAGE) as view:
        view[:] = b"b" * (8 * PAGE)
        os.ftruncate(fd, 2 * PAGE + 10)
        os.ftruncate(fd, 8 * PAGE)
        equal(view[:], b"b" * (2 * PAGE + 10) + bytes(6 * PAGE - 10))
        view.flush()
    equal(read(there() + "/f"), b"b" * (2 * PAGE + 10) + bytes(6 * PAGE - 10))


@case("a punched hole shows in a mapping, and dirty pages in it are gone")
def punched():
    write("f", b"a" * (8 * PAGE))
    with opened("f") as fd, mapped(fd, 8 * PAGE) as view:
        view[3 * PAGE : 5 * PAGE] = b"b" * (2 * PAGE)
        fallocate(fd, PUNCH, 2 * PAGE + 100, 2 * PAGE)
        expected = b"a" * (2 * PAGE + 100) + bytes(2 * PAGE) + b"b" * (PAGE - 100) + b"a" * (3 * PAGE)
        equal(view[:], expected)
        view.flush()
        equal(read(there() + "/f"), expected)


@case("what a mapping has dirty is copied by copy_file_range, and a copy shows in the target's mapping")
def copied():
    write("a", b"a" * (4 * PAGE))
    write("b", b"b" * (4 * PAGE))
    with opened("a") as source, opened("b") as target, mapped(source, 4 * PAGE) as from_view, mapped(target, 4 * PAGE) as to_view:
        equal(to_view[0:1], b"b")
        from_view[PAGE : 2 * PAGE] = b"c" * PAGE
        to_view[0:1] = b"d"
        equal(os.copy_file_range(source, target, 2 * PAGE, PAGE, PAGE), 2 * PAGE)
        expected = b"d" + b"b" * (PAGE - 1) + b"c" * PAGE + b"a" * PAGE + b"b" * PAGE
        equal(to_view[:], expected)
        to_view.flush()
    equal(read(there() + "/b"), expected)


@case("processes share a mapping")
def shared():
    write("f", bytes(PAGE))
    with opened("f") as fd, mapped(fd, PAGE) as view:
        def store():
            with opened("f") as own, mapped(own, PAGE) as other:
                other[7:12] = b"child"

        child(store)
        equal(view[7:12], b"child")


@case("a mapping outlives its descriptor and the file's name")
def outlives():
    write("f", b"a" * PAGE)
    fd = os.open("f", os.O_RDWR)
    view = mapped(fd, PAGE)
    os.close(fd)
    os.unlink("f")
    view[0:1] = b"b"
    equal(view[:2], b"ba")
    view.flush()
    view.close()


@case("mmap's errors: EACCES without the right, ENODEV for a directory")
def refused():
    write("f", b"a" * PAGE)
    with opened("f", os.O_RDONLY) as fd:
        refuses(errno.EACCES, mapped, fd, PAGE)
        mapped(fd, PAGE, mmap.MAP_PRIVATE).close()
    with opened("f", os.O_WRONLY) as fd:
        refuses(errno.EACCES, mapped, fd, PAGE)
    with opened(".", os.O_RDONLY) as fd:
        libc.mmap.restype = ctypes.c_void_p
        equal((libc.mmap(None, ctypes.c_size_t(PAGE), 1, 1, fd, ctypes.c_long(0)), ctypes.get_errno()), (ctypes.c_void_p(-1).value, errno.ENODEV))


@case("a descriptor that passes the cache by can be mapped as well, and both see the same")
def direct_descriptor():
    write("f", b"a" * PAGE)
    with opened("f", os.O_RDWR | os.O_DIRECT) as fd:
        with mapped(fd, PAGE, mmap.MAP_PRIVATE) as view:
            equal(view[:3], b"aaa")
        if KERNEL < (6, 6):  # FUSE_DIRECT_IO_ALLOW_MMAP
            refuses(errno.ENODEV, mapped, fd, PAGE)
            return
        with mapped(fd, PAGE) as view:
            view[0:1] = b"b"
            view.flush()
            equal(os.pread(fd, 3, 0), b"baa")
            os.pwrite(fd, b"c", 1)
            equal(view[:3], b"bca")


@case("programs run from the mount")
def programs():
    subprocess.run(["cp", "/bin/true", "here"], check=True)
    for folder in (".", there()):
        subprocess.run([folder + "/here"], check=True)


# --- past the cache ---


@case("O_DIRECT sees what was written through the cache, and the cache what O_DIRECT wrote")
def direct():
    buffer = mmap.mmap(-1, 4 * PAGE)
    write("f", b"a" * (4 * PAGE))
    with opened("f") as fd, opened("f", os.O_RDWR | os.O_DIRECT) as past:
        os.pwrite(fd, b"b" * PAGE, PAGE)
        equal(os.preadv(past, [buffer], 0), 4 * PAGE)
        equal(buffer[:], b"a" * PAGE + b"b" * PAGE + b"a" * (2 * PAGE))
        buffer[:] = b"c" * (4 * PAGE)
        equal(os.pwritev(past, [buffer], 2 * PAGE), 4 * PAGE)
        equal(os.pread(fd, 8 * PAGE, 0), b"a" * PAGE + b"b" * PAGE + b"c" * (4 * PAGE))
        equal(os.fstat(fd).st_size, 6 * PAGE)
    equal(read(there() + "/f"), b"a" * PAGE + b"b" * PAGE + b"c" * (4 * PAGE))


@case("O_DIRECT beside a mapping: dirty pages are written first, and what is written shows")
def direct_mapped():
    if KERNEL < (6, 6):
        raise Skipped("this kernel leaves mappings as they are beside what passes its cache")
    buffer = mmap.mmap(-1, PAGE)
    write("f", b"a" * (4 * PAGE))
    with opened("f") as fd, opened("f", os.O_RDWR | os.O_DIRECT) as past, mapped(fd, 4 * PAGE) as view:
        view[PAGE : 2 * PAGE] = b"b" * PAGE
        os.preadv(past, [buffer], PAGE)
        equal(buffer[:], b"b" * PAGE)
        buffer[:] = b"c" * PAGE
        os.pwritev(past, [buffer], 2 * PAGE)
        equal(view[:], b"a" * PAGE + b"b" * PAGE + b"c" * PAGE + b"a" * PAGE)


@case("O_SYNC and O_DSYNC write as others do")
def sync_flags():
    for flag in (os.O_SYNC, os.O_DSYNC):
        with opened("f", os.O_RDWR | os.O_CREAT | flag) as fd:
            equal(os.pwrite(fd, b"x" * 10000, 3), 10000)
            equal(read(there() + "/f"), bytes(3) + b"x" * 10000)
        os.unlink("f")


@case("fsync and fdatasync: of files, directories and descriptors for reading; EINVAL for a pipe, EBADF")
def syncs():
    write("f", b"a")
    for name in ("f", "."):
        with opened(name, os.O_RDONLY) as fd:
            os.fsync(fd)
            os.fdatasync(fd)
    os.mkfifo("p")
    with opened("p") as fd:
        refuses(errno.EINVAL, os.fsync, fd)
    refuses(errno.EBADF, os.fsync, 999)


@case("preadv2 and pwritev2: RWF_APPEND goes to the end, RWF_DSYNC and RWF_HIPRI are taken, others refused")
def vectored():
    write("f", b"a" * 100)
    with opened("f") as fd:
        equal(os.pwritev(fd, [b"b" * 10, b"c" * 10], 5, 0x10), 20)  # RWF_APPEND
        equal(os.pread(fd, 1000, 0), b"a" * 100 + b"b" * 10 + b"c" * 10)
        equal(os.pwritev(fd, [b"d"], 0, os.RWF_DSYNC | os.RWF_SYNC), 1)
        buffers = [bytearray(3), bytearray(4)]
        equal(os.preadv(fd, buffers, 98, 0), 7)
        equal(b"".join(buffers), b"aabbbbb")
        refuses(errno.EOPNOTSUPP, os.pwritev, fd, [b"x"], 0, 0x40000000)
        equal(os.fstat(fd).st_size, 120)


@case("sendfile and splice, out of and into files")
def splices():
    data = bytes(range(256)) * 1000
    write("a", data)
    with opened("a", os.O_RDONLY) as source, opened("b", os.O_RDWR | os.O_CREAT) as target:
        done = 0
        while done < len(data):
            done += os.sendfile(target, source, done, len(data) - done)
        equal(read(there() + "/b"), data)
    reader, writer = os.pipe()
    with opened("a", os.O_RDONLY) as source, opened("c", os.O_RDWR | os.O_CREAT) as target:
        for offset in range(0, len(data), PAGE):
            moved = os.splice(source, writer, PAGE, offset)
            equal(os.splice(reader, target, moved, offset_dst=offset), moved)
    equal(read("c"), data)


run()
