"""O_APPEND: each write lands whole at the end, whoever else appends."""
import ctypes
import mmap
import os
import platform
import struct
import threading

from mounted import KERNEL, SLOWER, Skipped, case, child, equal, opened, read, run, there, write


def appended(flags, writers, size, rounds):
    """Several processes on two mounts; each record must be there once, whole, and each writer's in order."""

    def append(folder, number):
        with opened(os.path.join(folder, "log"), flags | os.O_APPEND) as fd:
            for turn in range(rounds):
                record = b"%04d %06d " % (number, turn)
                equal(os.write(fd, record + bytes([65 + number]) * (size - len(record) - 1) + b"\n"), size)

    write("log")
    threads = [threading.Thread(target=child, args=(append, (os.getcwd(), there())[number % 2], number)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = read("log")
    equal(len(data), writers * rounds * size)
    turns = [0] * writers
    for start in range(0, len(data), size):
        record = data[start : start + size]
        number, turn = int(record[:4]), int(record[5:11])
        equal(record[12:], bytes([65 + number]) * (size - 13) + b"\n")
        equal(turn, turns[number])
        turns[number] += 1
    equal(turns, [rounds] * writers)


def needs_mapping_past_cache():
    """What can be read can be mapped: such logs pass the kernel's cache, which cuts writes between pages, only where they can be mapped all the same."""
    if KERNEL < (6, 6):
        raise Skipped("this kernel maps no file that it does not cache")


@case("short records of four processes on two mounts")
def short():
    appended(os.O_WRONLY, 4, 37, 300 // SLOWER)


@case("records longer than a page, at odd places")
def long():
    appended(os.O_WRONLY, 4, 9001, 60 // SLOWER)


@case("records of 300,001 bytes")
def huge():
    appended(os.O_WRONLY, 3, 300001, max(2, 12 // SLOWER))


@case("the same where the log is open to read, too")
def read_write():
    needs_mapping_past_cache()
    appended(os.O_RDWR, 4, 37, 200 // SLOWER)
    appended(os.O_RDWR, 4, 9001, 40 // SLOWER)


@case("one append of a MiB is in one piece")
def largest():
    appended(os.O_WRONLY, 2, (1 << 20) - 4096, max(2, 6 // SLOWER))


def submit(fd, buffers):
    """As many appends by io_submit(2), in order. Returns what each of them says. x86-64 alone knows the calls by these numbers."""
    libc = ctypes.CDLL(None, use_errno=True)
    io_setup, io_destroy, io_getevents, io_submit = 206, 207, 208, 209
    context = ctypes.c_uint64(0)
    equal(libc.syscall(io_setup, len(buffers), ctypes.byref(context)), 0)
    places = [ctypes.addressof(ctypes.c_char.from_buffer(buffer)) for buffer in buffers]
    requests = [ctypes.create_string_buffer(struct.pack("<QIIHHIQQqQII", number, 0, 0, 1, 0, fd, place, len(buffer), 0, 0, 0, 0), 64)
                for number, (place, buffer) in enumerate(zip(places, buffers))]
    pointers = (ctypes.c_uint64 * len(buffers))(*[ctypes.addressof(request) for request in requests])
    equal(libc.syscall(io_submit, context, ctypes.c_long(len(buffers)), pointers), len(buffers))
    events = ctypes.create_string_buffer(32 * len(buffers))
    equal(libc.syscall(io_getevents, context, ctypes.c_long(len(buffers)), ctypes.c_long(len(buffers)), events, None), len(buffers))
    libc.syscall(io_destroy, context)
    results = {number: result for number, _, result, _ in struct.iter_unpack("<QQqq", events.raw)}
    return [results[number] for number in range(len(buffers))]


@case("large asynchronous O_DIRECT appends, which travel in pieces, are put together in order")
def asynchronous():
    if platform.machine() != "x86_64":
        raise Skipped("io_submit has another number here")
    size, pages = 6 << 20, 6 << 8
    buffer = mmap.mmap(-1, size)
    for page in range(pages):
        buffer[page * 4096 : page * 4096 + 8] = struct.pack("<Q", page)
    write("log")
    with opened("log", os.O_WRONLY | os.O_APPEND | os.O_DIRECT) as fd:
        for turn in range(1, 4):
            equal(submit(fd, [buffer]), [size])
            data = read("log")
            equal(len(data), turn * size)
            equal([struct.unpack_from("<Q", data, at)[0] for at in range((turn - 1) * size, turn * size, 4096)], list(range(pages)))
    equal(read(os.path.join(there(), "log")), buffer[:] * 3)


@case("a log that is open to read and write can be mapped, shared, and shows what is appended")
def mapped():
    needs_mapping_past_cache()
    write("log", b"x" * 4096)
    with opened("log", os.O_RDWR | os.O_APPEND) as fd:
        memory = mmap.mmap(fd, 4096)
        memory[0:5] = b"12345"
        memory.flush()
        equal(os.pread(fd, 6, 0), b"12345x")
        os.write(fd, b"more")
        memory.close()
    equal(read(os.path.join(there(), "log")), b"12345" + b"x" * 4091 + b"more")


@case("the end is where it is at each write, whatever the offset and the other mount did")
def end():
    for flags in (os.O_WRONLY, os.O_RDWR):
        write("f", b"12345")
        with opened("f", flags | os.O_APPEND) as fd:
            os.lseek(fd, 0, os.SEEK_SET)
            os.write(fd, b"678")
            with opened(os.path.join(there(), "f"), os.O_WRONLY | os.O_APPEND) as other:
                os.write(other, b"other")
            os.write(fd, b"9")
            equal(read(os.path.join(there(), "f")), b"12345678other9")
            os.truncate(os.path.join(there(), "f"), 3)
            os.write(fd, b"4")
        equal(read("f"), b"1234")
        equal(read(os.path.join(there(), "f")), b"1234")


@case("the file's position is behind what was appended")
def position():
    write("f", b"12345")
    for flags in (os.O_WRONLY, os.O_RDWR):
        with opened("f", flags | os.O_APPEND) as fd:
            size = os.fstat(fd).st_size
            os.write(fd, b"abc")
            equal(os.lseek(fd, 0, os.SEEK_CUR), size + 3)


@case("O_APPEND set later, by fcntl, counts")
def by_fcntl():
    import fcntl

    write("f", b"12345")
    with opened("f", os.O_WRONLY) as fd:
        os.write(fd, b"A")
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        os.write(fd, b"B")
        fcntl.fcntl(fd, fcntl.F_SETFL, 0)
        os.pwrite(fd, b"C", 1)
    equal(read("f"), b"AC345B")


run()
