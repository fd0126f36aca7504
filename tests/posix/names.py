"""Names and their limits."""
import errno
import os

from mounted import case, equal, read, refuses, renameat2, run, write

LONGEST, TOO_LONG = "a" * 255, "a" * 256


@case("a name has up to 255 bytes")
def longest():
    write(LONGEST, b"1")
    equal(os.listdir("."), [LONGEST])
    os.rename(LONGEST, "short")
    os.rename("short", "b" * 255)
    equal(read("b" * 255), b"1")


@case("a name of 256 bytes is refused by each call: ENAMETOOLONG")
def too_long():
    write("f")
    for call in (
        lambda: os.stat(TOO_LONG),
        lambda: os.open(TOO_LONG, os.O_CREAT | os.O_WRONLY),
        lambda: os.mkdir(TOO_LONG),
        lambda: os.mkfifo(TOO_LONG),
        lambda: os.symlink("f", TOO_LONG),
        lambda: os.link("f", TOO_LONG),
        lambda: os.rename("f", TOO_LONG),
        lambda: os.rename(TOO_LONG, "g"),
        lambda: renameat2("f", TOO_LONG, 1),
        lambda: os.unlink(TOO_LONG),
        lambda: os.rmdir(TOO_LONG),
    ):
        refuses(errno.ENAMETOOLONG, call)
    equal(os.listdir("."), ["f"])


@case("a link's target has up to 4095 bytes")
def targets():
    os.symlink("x" * 4095, "s")
    equal(os.readlink("s"), "x" * 4095)
    equal(os.lstat("s").st_size, 4095)
    refuses(errno.ENAMETOOLONG, os.symlink, "x" * 4096, "t")


@case("names are bytes, any but / and NUL")
def any_bytes():
    names = [bytes([byte]) for byte in range(1, 256) if byte not in b"./"] + [b"...", b"\xff\xfe", b"a\nb"]
    for name in names:
        write(name, name)
    equal(sorted(os.listdir(b".")), sorted(names))
    for name in names:
        equal(read(name), name)


run()
