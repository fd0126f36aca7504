"""What open does with each flag and each kind of object."""
import errno
import os
import shutil
import stat
import subprocess
import threading

from mounted import KINDS, SLOWER, as_user, case, child, equal, make, mode_of, opened, read, refuses, run, there, unchanged, write

USER = 65534


@case("O_CREAT makes what is not there, O_EXCL only that: EEXIST, with every kind in the way")
def create():
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o644))
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o600))
    equal(mode_of("f"), 0o644)
    os.close(os.open("g", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    for kind in KINDS:
        make(kind, kind)
        with unchanged(kind, "."):
            refuses(errno.EEXIST, os.open, kind, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    equal(os.path.lexists("nowhere"), False)


@case("O_EXCL from several mounts and processes: exactly one makes the file")
def exclusive():
    rounds = 200 // SLOWER

    def storm(folder, name):
        os.chdir(folder)
        while not os.path.exists("go"):
            pass
        won = 0
        for number in range(rounds):
            try:
                os.close(os.open(f"x{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                won += 1
            except FileExistsError:
                pass
        write(name, str(won).encode())

    here = os.getcwd()
    threads = [
        threading.Thread(target=child, args=(storm, folder, f"won{number}"))
        for number, folder in enumerate((here, there(), here, there()))
    ]
    for thread in threads:
        thread.start()
    write("go")
    for thread in threads:
        thread.join()
    equal(sum(int(read(f"won{number}")) for number in range(4)), rounds)


@case("what another mount has just made is opened by O_CREAT, whoever came first")
def create_together():
    for number in range(100 // SLOWER):
        done = []

        def one(folder):
            with opened(os.path.join(folder, f"f{number}"), os.O_CREAT | os.O_RDWR) as fd:
                done.append(os.fstat(fd).st_ino)

        threads = [threading.Thread(target=one, args=(folder,)) for folder in (os.getcwd(), there())]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal((len(done), len(set(done))), (2, 1))


@case("EISDIR: a directory is not opened to write, nor by O_CREAT")
def directories():
    os.mkdir("d")
    fd = os.open("d", os.O_RDONLY)
    refuses(errno.EISDIR, os.read, fd, 1)
    os.close(fd)
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_CREAT | os.O_RDONLY, os.O_CREAT | os.O_WRONLY):
        refuses(errno.EISDIR, os.open, "d", flags)
    refuses(errno.EISDIR, os.open, "new/", os.O_CREAT | os.O_WRONLY)
    equal(os.listdir("."), ["d"])


@case("ENOTDIR: O_DIRECTORY, and a slash, of what is none; ENOENT: nothing there")
def not_directories():
    for kind in KINDS:
        make(kind, kind)
        if kind not in ("directory", "symlink"):
            refuses(errno.ENOTDIR, os.open, kind, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)
            refuses(errno.ENOTDIR, os.open, kind + "/", os.O_RDONLY | os.O_NONBLOCK)
    os.close(os.open("directory", os.O_RDONLY | os.O_DIRECTORY))
    refuses(errno.ENOENT, os.open, "none", os.O_RDONLY)
    refuses(errno.ENOENT, os.open, "none/f", os.O_CREAT | os.O_WRONLY)
    refuses(errno.ENOENT, os.open, "symlink", os.O_RDONLY)


@case("ELOOP: O_NOFOLLOW of a link")
def nofollow():
    write("f")
    os.symlink("f", "s")
    refuses(errno.ELOOP, os.open, "s", os.O_RDONLY | os.O_NOFOLLOW)
    refuses(errno.ELOOP, os.open, "s", os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW)
    os.close(os.open("f", os.O_RDONLY | os.O_NOFOLLOW))
    os.close(os.open("s", os.O_RDONLY))


@case("O_PATH opens every kind without permission, and neither reads nor writes: EBADF")
def path():
    for kind in KINDS:
        make(kind, kind)
        fd = os.open(kind, os.O_PATH | os.O_NOFOLLOW)
        equal(os.fstat(fd).st_ino, os.lstat(kind).st_ino)
        if kind == "symlink":
            equal(os.readlink("", dir_fd=fd), "nowhere")
        refuses(errno.EBADF, os.read, fd, 1)
        refuses(errno.EBADF, os.fchmod, fd, 0o600)
        os.close(fd)
    os.chmod("regular", 0)
    as_user(USER, USER, os.open, "regular", os.O_PATH)
    os.mkdir("d")
    write("d/f", b"x")
    fd = os.open("d", os.O_PATH | os.O_DIRECTORY)
    with opened(f"/proc/self/fd/{fd}/f", os.O_RDONLY) as below:
        equal(os.read(below, 2), b"x")
    os.close(fd)


@case("whoever makes a file has it open as he asked, whatever its mode")
def creator():
    def by_user():
        for mode in (0o000, 0o200, 0o400, 0o077):
            with opened("f", os.O_CREAT | os.O_EXCL | os.O_RDWR, mode) as fd:
                os.write(fd, b"x")
                equal((os.pread(fd, 2, 0), stat.S_IMODE(os.fstat(fd).st_mode)), (b"x", mode & 0o755))
            if mode in (0o000, 0o077):
                refuses(errno.EACCES, os.open, "f", os.O_RDONLY)
                refuses(errno.EACCES, os.open, "f", os.O_WRONLY)
            os.unlink("f")

    as_user(USER, USER, by_user)


@case("O_TRUNC empties a file that may be written, with O_RDONLY too, and only that")
def truncates():
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY, os.O_WRONLY | os.O_CREAT):
        write("f", b"x" * 10000)
        os.close(os.open("f", flags | os.O_TRUNC))
        equal((read("f"), os.stat("f").st_blocks), (b"", 0))
    write("f", b"x")
    os.chmod("f", 0o444)
    refuses(errno.EACCES, as_user, USER, USER, os.open, "f", os.O_RDONLY | os.O_TRUNC)
    equal(read("f"), b"x")
    with opened("f", os.O_RDONLY) as before:
        os.close(os.open(os.path.join(there(), "f"), os.O_WRONLY | os.O_TRUNC))
        equal(os.fstat(before).st_size, 0)


@case("ETXTBSY: a running program is not written, an open file is not run")
def busy():
    shutil.copy("/bin/sleep", "program")
    running = subprocess.Popen(["./program", "20"])
    try:
        for _ in range(100):
            if os.readlink(f"/proc/{running.pid}/exe").endswith("/program"):
                break
        refuses(errno.ETXTBSY, os.open, "program", os.O_WRONLY)
        refuses(errno.ETXTBSY, os.open, "program", os.O_RDWR)
        refuses(errno.ETXTBSY, os.truncate, "program", 0)
    finally:
        running.kill()
        running.wait()
    with opened("program", os.O_WRONLY):
        refuses(errno.ETXTBSY, child, os.execv, "./program", ["program", "0"])
    equal(subprocess.run(["./program", "0"], check=False).returncode, 0)


@case("programs and scripts run from the mount")
def programs():
    shutil.copy("/bin/true", "true")
    equal(subprocess.run(["./true"], check=False).returncode, 0)
    write("script", b"#!/bin/sh\nexit 7\n", 0o755)
    equal(subprocess.run(["./script"], check=False).returncode, 7)
    os.chmod("script", 0o644)
    refuses(errno.EACCES, subprocess.run, ["./script"], check=False)


@case("read, write and close of what is not open so: EBADF")
def bad_descriptors():
    write("f", b"x")
    with opened("f", os.O_WRONLY) as fd:
        refuses(errno.EBADF, os.read, fd, 1)
    with opened("f", os.O_RDONLY) as fd:
        refuses(errno.EBADF, os.write, fd, b"x")
        refuses(errno.EINVAL, os.ftruncate, fd, 0)
    refuses(errno.EBADF, os.read, fd, 1)
    equal(read("f"), b"x")


@case("O_SYNC, O_DSYNC, fsync, fdatasync and sync of files and directories")
def syncs():
    os.mkdir("d")
    for flags in (os.O_SYNC, os.O_DSYNC):
        with opened("d/f", os.O_CREAT | os.O_RDWR | flags) as fd:
            os.write(fd, b"x")
            os.fsync(fd)
            os.fdatasync(fd)
    fd = os.open("d", os.O_RDONLY)
    os.fsync(fd)
    os.fdatasync(fd)
    os.close(fd)
    os.sync()


@case("O_CREAT of a name that the other mount makes and removes all the time opens it, or makes it: never another error")
def creat_races():
    def make_and_remove():
        for _ in range(1500 // SLOWER):
            os.close(os.open(there() + "/f", os.O_CREAT | os.O_WRONLY, 0o644))
            try:
                os.unlink(there() + "/f")
            except FileNotFoundError:
                pass

    pid = os.fork()
    if pid == 0:
        try:
            make_and_remove()
            os._exit(0)
        finally:
            os._exit(1)
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        os.close(os.open("f", os.O_CREAT | os.O_RDWR, 0o644))


run()
