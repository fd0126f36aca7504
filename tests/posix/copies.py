"""copy_file_range: the server copies."""
import errno
import os
import random
import subprocess
import threading

from mounted import FALLOC_KEEP_SIZE, as_user, case, checked, equal, fallocate, libc, mode_of, opened, read, refuses, run, there, touches, unchanged, write

PAGE = 4096
MIB = 1 << 20
ON_FARFS = any(line.split()[1:3] == [os.environ["FARFS_MOUNT"], "fuse.farfs"] for line in open("/proc/self/mounts"))  # elsewhere the cases are compared


def pattern(length, seed=1):
    return random.Random(seed).randbytes(length)


def copy_all(source, target, length, from_offset=0, to_offset=0):
    """As many calls as it takes; each gets on."""
    done = 0
    while done < length:
        count = os.copy_file_range(source, target, length - done, from_offset + done, to_offset + done)
        if count == 0:
            break
        done += count
    return done


@case("whole files of every kind, by both mounts")
def whole():
    for size in (0, 1, 100, 1024, 1025, PAGE - 1, PAGE, PAGE + 1, 100_000, 3 * MIB + 5):
        write("a", pattern(size))
        with opened("a", os.O_RDONLY) as source, opened("b", os.O_RDWR | os.O_CREAT | os.O_TRUNC) as target:
            equal(copy_all(source, target, size + 10), size)
        equal(read("b"), pattern(size))
        equal(read(there() + "/b"), pattern(size))


@case("any range to any place of any file")
def ranges():
    sizes = (0, 5, 900, 2000, PAGE, 5 * PAGE + 17, 40 * PAGE)
    rng = random.Random(7)
    for source_size in sizes[1:]:
        for target_size in sizes:
            for _ in range(6):
                begin = rng.randrange(source_size)
                length = rng.randrange(1, source_size - begin + 1)
                to = rng.choice([0, PAGE, rng.randrange(target_size + 1), target_size, rng.randrange(60 * PAGE)])
                write("a", pattern(source_size, 2))
                write("b", pattern(target_size, 3))
                expected = bytearray(pattern(target_size, 3))
                if to + length > len(expected):
                    expected.extend(bytes(to + length - len(expected)))
                expected[to : to + length] = pattern(source_size, 2)[begin : begin + length]
                with opened("a", os.O_RDONLY) as source, opened("b") as target:
                    equal(copy_all(source, target, length, begin, to), length)
                    equal(os.pread(target, 1 << 20, 0), bytes(expected))
                equal(read(there() + "/b"), bytes(expected))
                os.unlink("b")


@case("the descriptors' own offsets are used and moved where none is given")
def offsets():
    write("a", pattern(10000))
    with opened("a", os.O_RDONLY) as source, opened("b", os.O_RDWR | os.O_CREAT) as target:
        os.lseek(source, 100, os.SEEK_SET)
        os.lseek(target, 7, os.SEEK_SET)
        equal(os.copy_file_range(source, target, 5000), 5000)
        equal((os.lseek(source, 0, os.SEEK_CUR), os.lseek(target, 0, os.SEEK_CUR)), (5100, 5007))
        equal(os.copy_file_range(source, target, 100000), 4900)
        equal(os.copy_file_range(source, target, 100000), 0)
    equal(read("b"), bytes(7) + pattern(10000)[100:])


@case("within one file: beside each other; ranges that overlap: EINVAL, nothing changes")
def within():
    for size in (400, 3000, 10 * PAGE):
        expected = bytearray(pattern(size))
        half = size // 2
        write("f", expected)
        with opened("f") as fd:
            with unchanged("f"):
                for begin, to, length in ((0, half - 1, half), (half - 1, 0, half), (5, 5, 10), (0, 1, 2)):
                    refuses(errno.EINVAL, os.copy_file_range, fd, fd, length, begin, to)
            equal(os.copy_file_range(fd, fd, half, 0, half), half)
            expected[half : half + half] = expected[:half]
            equal(os.pread(fd, 1 << 20, 0), bytes(expected))
            equal(copy_all(fd, fd, size, 0, size), size)
            expected.extend(bytes(expected))
            equal(os.pread(fd, 1 << 20, 0), bytes(expected))
        equal(read(there() + "/f"), bytes(expected))


@case("at and behind the end of the source nothing is copied, and nothing changes")
def behind_end():
    write("a", b"x" * 100)
    write("b", b"y")
    with unchanged("b"), opened("a") as source, opened("b") as target:
        equal(os.copy_file_range(source, target, 10, 100, 0), 0)
        equal(os.copy_file_range(source, target, 10, 1 << 40, 0), 0)
        equal(os.copy_file_range(source, target, 0, 0, 0), 0)


@case("a large file in few calls")
def large():
    data = pattern(MIB) * 40
    write("a", data)
    with opened("a", os.O_RDONLY) as source, opened("b", os.O_RDWR | os.O_CREAT) as target:
        calls = done = 0
        while done < len(data):
            done += os.copy_file_range(source, target, len(data) - done)
            calls += 1
        assert calls <= 40, f"{calls} calls"
    equal(read("b"), data)


@case("holes stay holes")
def holes():
    with opened("a", os.O_RDWR | os.O_CREAT) as source, opened("b", os.O_RDWR | os.O_CREAT) as target:
        for at in (5 * PAGE, 1000 * PAGE, (1 << 34) + 3):
            os.pwrite(source, b"data", at)
        os.ftruncate(source, (1 << 34) + 100 * MIB)
        size = os.fstat(source).st_size
        if ON_FARFS:
            equal(copy_all(source, target, size), size)
            equal(os.fstat(target).st_blocks, os.fstat(source).st_blocks)
            equal(os.fstat(target).st_size, size)
            for at in (5 * PAGE, 1000 * PAGE, (1 << 34) + 3):
                equal(os.pread(target, 6, at - 1), b"\0data\0")
                os.pwrite(target, b"\xff" * 4, at)
            os.pwrite(target, b"x" * 10 * PAGE, 100 * PAGE)
            equal(copy_all(source, target, 1 << 30), 1 << 30)
            equal(os.pread(target, 10 * PAGE, 100 * PAGE), bytes(10 * PAGE))
    for name in ("a", "b"):
        os.unlink(name)


@case("what was reserved in the target stays so under a hole")
def reserved():
    with opened("a", os.O_RDWR | os.O_CREAT) as source, opened("b", os.O_RDWR | os.O_CREAT) as target:
        os.ftruncate(source, MIB)
        fallocate(target, FALLOC_KEEP_SIZE, 0, MIB)
        equal(copy_all(source, target, MIB), MIB)
        equal((os.fstat(target).st_size, os.fstat(target).st_blocks), (MIB, 2048))


@case("cp, cp --reflink=auto and --sparse=always give the same bytes; --reflink=always is refused")
def coreutils():
    with opened("a", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, pattern(300_000), 0)
        os.pwrite(fd, pattern(70_000), 5 * MIB + 11)
        os.ftruncate(fd, 12 * MIB + 1)
    for option in ("--reflink=auto", "--reflink=never", "--sparse=always"):
        subprocess.run(["cp", option, "a", "b"], check=True)
        subprocess.run(["cmp", "a", "b"], check=True)
        subprocess.run(["cmp", "a", there() + "/b"], check=True)
        assert os.stat("b").st_blocks <= os.stat("a").st_blocks, option
        os.unlink("b")
    equal(subprocess.run(["cp", "--reflink=always", "a", "b"], stderr=subprocess.DEVNULL, check=False).returncode, 1)


@case("from one mount to the other, and from and to another file system")
def across():
    data = pattern(500_000)
    write("a", data)
    with opened("a", os.O_RDONLY) as source, opened(there() + "/b", os.O_RDWR | os.O_CREAT) as target:
        equal(copy_all(source, target, len(data)), len(data))
    equal(read("b"), data)
    subprocess.run(["cp", "b", "/dev/shm/farfs-copy"], check=True)
    try:
        subprocess.run(["cp", "/dev/shm/farfs-copy", "c"], check=True)
    finally:
        os.unlink("/dev/shm/farfs-copy")
    equal(read("c"), data)


@case("copy_file_range's errors: EBADF, EISDIR, EINVAL, EFBIG; nothing changes")
def refused():
    write("a", b"x" * PAGE)
    write("b", b"y" * PAGE)
    with unchanged("a", "b"), opened("a") as source, opened("b") as target:
        with opened("b", os.O_RDONLY) as reader, opened("a", os.O_WRONLY) as writer, opened("b", os.O_WRONLY | os.O_APPEND) as log:
            refuses(errno.EBADF, os.copy_file_range, source, reader, 10)
            refuses(errno.EBADF, os.copy_file_range, writer, target, 10)
            refuses(errno.EBADF, os.copy_file_range, source, log, 10)
        with opened(".", os.O_RDONLY) as folder:
            refuses(errno.EISDIR, os.copy_file_range, folder, target, 10)
            refuses(errno.EISDIR, os.copy_file_range, source, folder, 10)
        os.mkfifo("p")
        with opened("p") as pipe:
            refuses(errno.EINVAL, os.copy_file_range, pipe, target, 10)
            refuses(errno.EINVAL, os.copy_file_range, source, pipe, 10)
        refuses(errno.EINVAL, lambda: checked(libc.copy_file_range(source, None, target, None, 10, 1)))
        refuses(errno.EFBIG, os.copy_file_range, source, target, 10, 0, (1 << 63) - 1)
        if ON_FARFS:
            refuses(errno.EFBIG, os.copy_file_range, source, target, 10, 0, (16 << 40) - PAGE)


@case("the target's mtime and ctime move, the source's do not; set-uid and set-gid go")
def marks():
    write("a", b"x" * 100)
    write("b", b"y" * 100)

    def copy():
        with opened("a", os.O_RDONLY) as source, opened("b") as target:
            equal(os.copy_file_range(source, target, 50), 50)

    with touches("b", mtime=True, ctime=True), touches("a", mtime=False, ctime=False):
        copy()
    os.chown("b", 1234, 1234)
    os.chmod("b", 0o6777)
    as_user(1234, 1234, copy)
    equal(oct(mode_of("b")), oct(0o777))


@case("while others write both files each page is of one write, and what nobody writes is copied right")
def concurrent():
    pages = 256
    write("a", bytes(pages * PAGE))
    write("b", b"\xff" * (pages * PAGE))
    stop = threading.Event()

    def scribble(folder):
        rng = random.Random(1)
        with opened(folder + "/a") as fd, opened(folder + "/c", os.O_RDWR | os.O_CREAT) as other:
            while not stop.is_set():
                os.pwrite(fd, bytes([rng.randrange(250)]) * PAGE, rng.randrange(pages // 2) * PAGE)
                os.pwrite(other, b"c" * PAGE, rng.randrange(pages) * PAGE)

    threads = [threading.Thread(target=scribble, args=(folder,)) for folder in (".", there())]
    for thread in threads:
        thread.start()
    try:
        with opened("a", os.O_RDONLY) as source, opened("b", os.O_RDWR) as target:
            for _ in range(100):
                equal(copy_all(source, target, pages * PAGE), pages * PAGE)
                data = os.pread(target, pages * PAGE, 0)
                for page in range(pages):
                    piece = data[page * PAGE : (page + 1) * PAGE]
                    assert piece == piece[:1] * PAGE, f"page {page} is torn"
                equal(data[pages // 2 * PAGE :], bytes(pages // 2 * PAGE))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


run()
