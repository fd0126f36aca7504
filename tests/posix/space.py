"""Space inside files: holes, sizes and what is reserved."""
import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import struct
import time

from mounted import (FALLOC_COLLAPSE_RANGE, FALLOC_INSERT_RANGE, FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, SLOWER, as_user, case,
                     equal, fallocate, libc, mode_of, opened, read, refuses, run, there, touches, unchanged, write)

PAGE = 4096
MIB = 1 << 20
PUNCH = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE
ON_FARFS = any(line.split()[1:3] == [os.environ["FARFS_MOUNT"], "fuse.farfs"] for line in open("/proc/self/mounts"))  # elsewhere the cases are compared
FILE_MAX = (16 << 40) - PAGE if ON_FARFS else (1 << 63) - 1


def blocks(name):
    return os.lstat(name).st_blocks


def layout(name):
    """The stored ranges, by SEEK_DATA and SEEK_HOLE."""
    ranges = []
    with opened(name, os.O_RDONLY) as fd:
        at, end = 0, os.fstat(fd).st_size
        while at < end:
            try:
                data = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as error:
                equal(error.errno, errno.ENXIO)
                break
            at = os.lseek(fd, data, os.SEEK_HOLE)
            ranges.append((data, at))
    return ranges


# --- st_blocks ---


@case("st_blocks: nothing for an empty file, and for one that is only a hole")
def blocks_of_nothing():
    write("f")
    equal(blocks("f"), 0)
    for size in (1, 5000, 1 << 40):
        os.truncate("f", size)
        equal((os.stat("f").st_size, blocks("f")), (size, 0))


@case("st_blocks: a small value counts, and never more than its page")
def blocks_of_small():
    for size in (1, 100, 511, 512, 513, 1024, 1025, 3000, 4096):
        write("f", b"x" * size)
        assert (size + 511) // 512 <= blocks("f") <= 8, f"{blocks('f')} blocks for {size} bytes"


@case("st_blocks: pages that are stored, not those of holes")
def blocks_of_pages():
    write("f", b"x" * (10 * PAGE))
    equal(blocks("f"), 80)
    with opened("f") as fd:
        os.pwrite(fd, b"y", 100 * PAGE)
        os.pwrite(fd, b"y", 200 * PAGE + 17)
    equal((os.stat("f").st_size, blocks("f")), (200 * PAGE + 18, 96))
    os.truncate("f", 5 * PAGE + 1)
    equal(blocks("f"), 48)
    os.truncate("f", 0)
    equal(blocks("f"), 0)


@case("st_blocks: the other mount sees the same")
def blocks_there():
    write("f", b"x" * (3 * PAGE))
    with opened("f") as fd:
        fallocate(fd, FALLOC_KEEP_SIZE, 0, MIB)
        equal(os.stat(there() + "/f").st_blocks, 2048)
        fallocate(fd, PUNCH, PAGE, MIB)
        equal(os.stat(there() + "/f").st_blocks, 8)


# --- holes ---


@case("a hole reads as zeros, and SEEK_DATA and SEEK_HOLE tell where it is")
def holes():
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, b"x" * PAGE, 16 * PAGE)
        os.pwrite(fd, b"y" * PAGE, 64 * PAGE)
        os.ftruncate(fd, 100 * PAGE)
        equal(layout("f"), [(16 * PAGE, 17 * PAGE), (64 * PAGE, 65 * PAGE)])
        equal(os.pread(fd, 17 * PAGE, 0), bytes(16 * PAGE) + b"x" * PAGE)
        for offset, whence, found in (
            (0, os.SEEK_HOLE, 0),
            (5, os.SEEK_HOLE, 5),
            (5, os.SEEK_DATA, 16 * PAGE),
            (16 * PAGE + 7, os.SEEK_DATA, 16 * PAGE + 7),
            (16 * PAGE + 7, os.SEEK_HOLE, 17 * PAGE),
            (17 * PAGE, os.SEEK_HOLE, 17 * PAGE),
            (99 * PAGE, os.SEEK_HOLE, 99 * PAGE),
        ):
            equal(os.lseek(fd, offset, whence), found)
            equal(os.lseek(fd, 0, os.SEEK_CUR), found)


@case("SEEK_DATA in the last hole, and both at and behind the end: ENXIO, the offset stays")
def no_data():
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        for whence in (os.SEEK_DATA, os.SEEK_HOLE):
            refuses(errno.ENXIO, os.lseek, fd, 0, whence)
        os.pwrite(fd, b"x" * PAGE, 0)
        os.ftruncate(fd, 10 * PAGE)
        os.lseek(fd, 3, os.SEEK_SET)
        refuses(errno.ENXIO, os.lseek, fd, PAGE, os.SEEK_DATA)
        for whence in (os.SEEK_DATA, os.SEEK_HOLE):
            for offset in (10 * PAGE, 11 * PAGE, (1 << 63) - 1, -1):
                refuses(errno.ENXIO, os.lseek, fd, offset, whence)
        equal(os.lseek(fd, 0, os.SEEK_CUR), 3)


@case("the end is a hole: SEEK_HOLE in a full file gives its size, in a small one as well")
def end_is_hole():
    for size in (1, 700, 3000, PAGE, PAGE + 1, 50 * PAGE - 1):
        write("f", b"x" * size)
        with opened("f") as fd:
            equal(os.lseek(fd, 0, os.SEEK_HOLE), size)
            equal(os.lseek(fd, size - 1, os.SEEK_DATA), size - 1)


@case("thousands of holes: SEEK_DATA finds each page")
def many_holes():
    last = 12000 // SLOWER // 2 * 2
    pages = range(1, last, 2)
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        for page in pages:
            os.pwrite(fd, b"x", page * PAGE)
        os.ftruncate(fd, (last + 1) * PAGE)
    equal(layout("f"), [(page * PAGE, (page + 1) * PAGE) for page in pages])
    equal(blocks("f"), len(pages) * 8)


@case("a wrong whence, a pipe: EINVAL, ESPIPE")
def bad_seek():
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        refuses(errno.EINVAL, os.lseek, fd, 0, 9)
        refuses(errno.EINVAL, os.lseek, fd, -1, os.SEEK_SET)
    reader, _ = os.pipe()
    refuses(errno.ESPIPE, os.lseek, reader, 0, os.SEEK_DATA)


# --- reserving ---


@case("fallocate reserves pages of zeros and lets the size grow")
def allocates():
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        fallocate(fd, 0, 0, MIB)
        equal((os.fstat(fd).st_size, os.fstat(fd).st_blocks), (MIB, 2048))
        equal(os.pread(fd, MIB + 1, 0), bytes(MIB))
        equal(os.stat(there() + "/f").st_size, MIB)
        fallocate(fd, 0, 100, 10)
        equal(os.fstat(fd).st_size, MIB)
        fallocate(fd, 0, MIB - 5, 105)
        equal((os.fstat(fd).st_size, os.fstat(fd).st_blocks), (MIB + 100, 2056))


@case("fallocate keeps what is there: a small value, pages, holes between them")
def keeps_content():
    for content in (b"x", b"x" * 900, b"x" * 2000, b"x" * PAGE, b"x" * (5 * PAGE + 3)):
        write("f", content)
        with opened("f") as fd:
            fallocate(fd, 0, 0, 20 * PAGE)
        equal(read("f"), content + bytes(20 * PAGE - len(content)))
        os.unlink("f")
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        for page in (3, 5, 11):
            os.pwrite(fd, bytes([page]) * PAGE, page * PAGE)
        before = os.pread(fd, 12 * PAGE, 0)
        fallocate(fd, 0, 0, 12 * PAGE)
        equal(os.pread(fd, 13 * PAGE, 0), before)
        equal(os.fstat(fd).st_blocks, 96)
    equal(read(there() + "/f"), before)


@case("fallocate with KEEP_SIZE reserves behind the end: st_blocks shows it, the size does not")
def keep_size():
    for content in (b"", b"abc", b"x" * 3000, b"x" * 10000):
        write("f", content)
        with opened("f") as fd:
            fallocate(fd, FALLOC_KEEP_SIZE, 0, MIB)
            equal((os.fstat(fd).st_size, os.fstat(fd).st_blocks), (len(content), 2048))
            fallocate(fd, FALLOC_KEEP_SIZE, 10 * MIB, PAGE)
            equal((os.fstat(fd).st_size, os.fstat(fd).st_blocks), (len(content), 2056))
            equal(os.pread(fd, MIB, 0), content)
            os.ftruncate(fd, 2 * MIB)
            equal(os.fstat(fd).st_blocks, 2056)
            equal(os.pread(fd, 2 * MIB, 0), content + bytes(2 * MIB - len(content)))
            os.pwrite(fd, b"z", 2 * MIB + 10)
            equal(os.pread(fd, 100, 2 * MIB), bytes(10) + b"z")
            os.ftruncate(fd, len(content))
            assert os.fstat(fd).st_blocks <= len(content) // 512 + 8
        os.unlink("f")


@case("writing into what was reserved behind the end is seen by both mounts")
def write_reserved():
    write("f", b"a" * 10)
    with opened("f") as fd, opened(there() + "/f") as other:
        fallocate(fd, FALLOC_KEEP_SIZE, 0, 64 * PAGE)
        equal(os.pread(other, 100, 0), b"a" * 10)
        os.pwrite(fd, b"b" * PAGE, 7 * PAGE)
        equal(os.pread(other, 9 * PAGE, 0), b"a" * 10 + bytes(7 * PAGE - 10) + b"b" * PAGE)
        os.pwrite(other, b"c", 20 * PAGE)
        equal(os.pread(fd, PAGE, 20 * PAGE), b"c")
        equal(os.fstat(fd).st_blocks, 64 * 8)


@case("posix_fallocate: as fallocate, and no change where all is there")
def posix_fallocate():
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        os.posix_fallocate(fd, 1000, 100000)
        equal(os.fstat(fd).st_size, 101000)
        os.pwrite(fd, b"x" * 101000, 0)
        os.posix_fallocate(fd, 0, 50000)
        equal((os.fstat(fd).st_size, os.pread(fd, 200000, 0)), (101000, b"x" * 101000))


# --- punching and zeroing ---


@case("PUNCH_HOLE frees whole pages and zeros parts of pages")
def punches():
    size = 16 * PAGE
    for offset, length in ((0, PAGE), (0, size), (100, 200), (PAGE - 1, 2), (PAGE, 3 * PAGE), (5000, 20000), (15 * PAGE + 9, PAGE), (1, 16 * PAGE - 2)):
        expected = bytearray(b"x" * size)
        write("f", expected)
        with opened("f") as fd, opened(there() + "/f", os.O_RDONLY) as other:
            equal(os.pread(other, size, 0), bytes(expected))
            fallocate(fd, PUNCH, offset, length)
            end = min(size, offset + length)
            expected[offset:end] = bytes(end - offset)
            equal((os.fstat(fd).st_size, os.pread(fd, size + 1, 0)), (size, bytes(expected)))
            equal(os.pread(other, size + 1, 0), bytes(expected))
            first, last = -(-offset // PAGE), (offset + length) // PAGE
            equal(os.fstat(fd).st_blocks, 8 * (16 - max(0, last - first)))
        os.unlink("f")


@case("PUNCH_HOLE in a small value")
def punches_small():
    for size in (10, 1000, 1500, PAGE):
        for offset, length in ((0, size), (0, PAGE), (1, size - 2), (size - 1, 100), (size, 10)):
            expected = bytearray(b"x" * size)
            end = min(size, offset + length)
            if end > offset:
                expected[offset:end] = bytes(end - offset)
            write("f", b"x" * size)
            with opened("f") as fd:
                fallocate(fd, PUNCH, offset, length)
            equal(read("f"), bytes(expected))
            equal(read(there() + "/f"), bytes(expected))
    write("f", b"x" * PAGE)
    with opened("f") as fd:
        fallocate(fd, PUNCH, 0, PAGE)
        equal((os.fstat(fd).st_size, os.fstat(fd).st_blocks, layout("f")), (PAGE, 0, []))


@case("PUNCH_HOLE behind the end gives back what was reserved there, to the largest file's end")
def punches_behind():
    write("f", b"x" * PAGE)
    with opened("f") as fd:
        fallocate(fd, FALLOC_KEEP_SIZE, 0, MIB)
        fallocate(fd, PUNCH, 2 * PAGE, (1 << 62))
        equal((os.fstat(fd).st_size, os.fstat(fd).st_blocks), (PAGE, 16))
        fallocate(fd, PUNCH, 100 * MIB, MIB)
        equal(read("f"), b"x" * PAGE)


@case("a punched range can be written again")
def punch_write():
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        for _ in range(50):
            os.pwrite(fd, b"x" * (64 * PAGE), 0)
            fallocate(fd, PUNCH, 10 * PAGE, 20 * PAGE)
            os.pwrite(fd, b"y" * PAGE, 15 * PAGE)
            equal(os.pread(fd, 64 * PAGE, 0), b"x" * (10 * PAGE) + bytes(5 * PAGE) + b"y" * PAGE + bytes(14 * PAGE) + b"x" * (34 * PAGE))
            equal(os.fstat(fd).st_blocks, 45 * 8)


@case("ZERO_RANGE zeros, and reserves: with and without KEEP_SIZE")
def zeroes():
    for content in (b"x" * 100, b"x" * 2000, b"x" * (8 * PAGE)):
        for flags in (0, FALLOC_KEEP_SIZE):
            for offset, length in ((0, 50), (10, 2 * PAGE), (PAGE, PAGE), (7 * PAGE + 100, 5 * PAGE), (20 * PAGE, PAGE)):
                write("f", content)
                end = offset + length
                expected = bytearray(content)
                if not flags and end > len(expected):
                    expected.extend(bytes(end - len(expected)))
                cut = min(end, len(expected))
                if cut > offset:
                    expected[offset:cut] = bytes(cut - offset)
                with opened("f") as fd:
                    try:
                        fallocate(fd, FALLOC_ZERO_RANGE | flags, offset, length)
                    except OSError as error:
                        if error.errno == errno.EOPNOTSUPP and not ON_FARFS:
                            return
                        raise
                    equal(os.pread(fd, 64 * PAGE, 0), bytes(expected))
                    covered = {page for page in range(offset // PAGE, -(-end // PAGE))}
                    covered |= {page for page in range(-(-len(content) // PAGE))}
                    equal(os.fstat(fd).st_blocks, 8 * len(covered))
                equal(read(there() + "/f"), bytes(expected))
                os.unlink("f")


@case("mtime and ctime move with each kind of fallocate, set-uid and set-gid go where the caller has no right to keep them")
def fallocate_marks():
    write("f", b"x" * (4 * PAGE))
    for flags in (0, FALLOC_KEEP_SIZE, PUNCH) + ((FALLOC_ZERO_RANGE,) if ON_FARFS else ()):
        with opened("f") as fd:
            with touches("f", mtime=True, ctime=True):
                fallocate(fd, flags, 0, 8 * PAGE)
    os.chown("f", 1234, 1234)

    def as_owner(flags):
        with opened("f") as fd:
            fallocate(fd, flags, 0, 2 * PAGE)

    for flags in (0, PUNCH) + ((FALLOC_ZERO_RANGE,) if ON_FARFS else ()):
        os.chmod("f", 0o6777)
        as_user(1234, 1234, as_owner, flags)
        if ON_FARFS:  # tmpfs leaves them
            equal(oct(mode_of("f")), oct(0o777))


@case("fallocate's errors: EBADF, EINVAL, EFBIG, ENODEV, ESPIPE, EOPNOTSUPP; nothing changes")
def fallocate_errors():
    write("f", b"x" * PAGE)
    with unchanged("f"), opened("f") as fd, opened("f", os.O_RDONLY) as reader:
        refuses(errno.EBADF, fallocate, reader, 0, 0, PAGE)
        refuses(errno.EBADF, fallocate, reader, PUNCH, 0, PAGE)
        refuses(errno.EBADF, fallocate, 999, 0, 0, PAGE)
        for offset, length in ((-1, 10), (0, 0), (0, -1), (10, -10)):
            refuses(errno.EINVAL, fallocate, fd, 0, offset, length)
        refuses(errno.EFBIG, fallocate, fd, 0, (1 << 63) - 1, 1)
        refuses(errno.EFBIG, fallocate, fd, FALLOC_KEEP_SIZE, (1 << 63) - 1, PAGE)
        if ON_FARFS:
            refuses(errno.EFBIG, fallocate, fd, 0, FILE_MAX, 1)
            refuses(errno.EFBIG, fallocate, fd, FALLOC_KEEP_SIZE, FILE_MAX - 1, 2)
            refuses(errno.EFBIG, fallocate, fd, FALLOC_ZERO_RANGE, FILE_MAX, PAGE)
        refuses(errno.EOPNOTSUPP, fallocate, fd, FALLOC_PUNCH_HOLE, 0, PAGE)
        refuses(errno.EOPNOTSUPP, fallocate, fd, PUNCH | FALLOC_ZERO_RANGE, 0, PAGE)
        refuses(errno.EOPNOTSUPP, fallocate, fd, FALLOC_COLLAPSE_RANGE, 0, PAGE)
        refuses(errno.EOPNOTSUPP, fallocate, fd, FALLOC_INSERT_RANGE, 0, PAGE)
        refuses(errno.EOPNOTSUPP, fallocate, fd, 0x400, 0, PAGE)
    os.mkfifo("p")
    with opened("p") as fd:
        refuses(errno.ESPIPE, fallocate, fd, 0, 0, PAGE)
    with opened(".", os.O_RDONLY) as fd:
        refuses(errno.EBADF, fallocate, fd, 0, 0, PAGE)
    with opened("/dev/zero") as fd:
        refuses(errno.ENODEV, fallocate, fd, 0, 0, PAGE)


@case("RLIMIT_FSIZE holds for fallocate, write and truncate: EFBIG and SIGXFSZ")
def file_size_limit():
    seen = []
    signal.signal(signal.SIGXFSZ, lambda *_: seen.append(1))
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, resource.RLIM_INFINITY))
        refuses(errno.EFBIG, fallocate, fd, 0, 0, 10001)
        refuses(errno.EFBIG, os.ftruncate, fd, 10001)
        equal(os.pwrite(fd, b"x" * 20000, 0), 10000)
        refuses(errno.EFBIG, os.pwrite, fd, b"x", 10000)
        equal((os.fstat(fd).st_size, len(seen)), (10000, 3))
        fallocate(fd, 0, 0, 10000)


# --- sizes ---


@case("truncate up leaves a hole, down cuts; what was cut does not come back")
def truncates():
    sizes = (0, 1, 100, 1000, 1025, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 100 * PAGE + 7)
    for first in sizes:
        for second in sizes:
            write("f", b"x" * first)
            os.truncate("f", second)
            os.truncate("f", 128 * PAGE)
            kept = min(first, second)
            equal(read("f"), b"x" * kept + bytes(128 * PAGE - kept))


@case("truncate's errors: EINVAL, EISDIR, EFBIG; and ftruncate of a descriptor for reading")
def truncate_errors():
    write("f", b"x")
    with unchanged("f"):
        refuses(errno.EINVAL, os.truncate, "f", -1)
        refuses(errno.EISDIR, os.truncate, ".", 0)
        refuses(errno.ENOENT, os.truncate, "g", 0)
        refuses(errno.ENOTDIR, os.truncate, "f/g", 0)
        if ON_FARFS:
            refuses(errno.EFBIG, os.truncate, "f", FILE_MAX + 1)
            refuses(errno.EFBIG, os.truncate, "f", (1 << 63) - 1)
        with opened("f", os.O_RDONLY) as fd:
            refuses(errno.EINVAL, os.ftruncate, fd, 0)


@case("a sparse file up to the format's limit; a write ends there, and at it is refused: EFBIG")
def largest():
    limit = FILE_MAX if ON_FARFS else (1 << 63) - 1 - PAGE
    with opened("f", os.O_RDWR | os.O_CREAT) as fd:
        os.ftruncate(fd, limit)
        equal((os.fstat(fd).st_size, os.fstat(fd).st_blocks), (limit, 0))
        equal(os.pread(fd, 10, limit - 5), bytes(5))
        equal(os.pread(fd, 10, limit), b"")
        os.pwrite(fd, b"end", limit - 3)
        equal(os.pread(fd, 10, limit - 4), b"\0end")
        if ON_FARFS:
            refuses(errno.EFBIG, os.pwrite, fd, b"x", limit)
            equal(os.pwrite(fd, b"yy" * PAGE, limit - 7), 7)
            equal(os.fstat(fd).st_size, limit)
        equal(os.lseek(fd, 0, os.SEEK_DATA), limit // PAGE * PAGE - (PAGE if limit % PAGE == 0 else 0))
        os.ftruncate(fd, 1)
        equal(os.fstat(fd).st_blocks, 0)
    with opened("f", os.O_WRONLY | os.O_DIRECT) as fd:
        if ON_FARFS:
            refuses(errno.EFBIG, os.pwrite, fd, memoryview(mmap.mmap(-1, PAGE)), limit)


@case("statfs: total, free, and files move as space is used, and come back")
def statfs():
    def figures(path="."):
        found = os.statvfs(path)
        return found.f_bfree * found.f_frsize, found.f_files - found.f_ffree

    if not ON_FARFS:
        return
    first = os.statvfs(".")
    equal((first.f_bsize, first.f_frsize, first.f_namemax), (PAGE, PAGE, 255))
    assert first.f_bavail <= first.f_bfree <= first.f_blocks and first.f_favail <= first.f_ffree <= first.f_files
    free, files = figures()
    write("f", b"x" * (16 * MIB))
    for number in range(100):
        write(f"g{number}")
    used, now = figures(there())
    equal(now, files + 101)
    assert 16 * MIB <= free - used < 17 * MIB, f"{free - used} bytes used"
    with opened("f") as fd:
        fallocate(fd, PUNCH, 0, 8 * MIB)
        assert figures()[0] - used >= 8 * MIB - 65536
        fallocate(fd, 0, 0, 16 * MIB)
        assert figures()[0] - used < 65536
    for name in os.listdir("."):
        os.unlink(name)
    for _ in range(50):  # the kernel gives its lookups back behind the calls, those of earlier cases, too
        if figures()[0] >= free - 65536 and figures()[1] <= files:
            break
        time.sleep(0.1)
    now = figures()
    assert now[0] >= free - 65536 and now[1] <= files, f"{now} instead of {(free, files)}"


# --- what asks where ---


@case("FIEMAP is refused: EOPNOTSUPP; inode flags too: ENOTTY; FIBMAP names no block")
def maps():
    write("f", b"x" * PAGE)
    with opened("f") as fd:
        fiemap = bytearray(struct.pack("QQIIII", 0, 1 << 40, 0, 0, 0, 0) + bytes(56))
        refuses(errno.EOPNOTSUPP, fcntl.ioctl, fd, 0xC020660B, fiemap)
        if ON_FARFS:
            refuses(errno.ENOTTY, fcntl.ioctl, fd, 0x80086601, bytearray(8))  # FS_IOC_GETFLAGS
            refuses(errno.ENOTTY, fcntl.ioctl, fd, 0x5401, bytearray(64))  # TCGETS
            block = ctypes.c_int(0)
            equal((libc.ioctl(fd, 1, ctypes.byref(block)), block.value), (0, 0))  # FIBMAP


run()
