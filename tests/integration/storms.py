"""Changes of names as fast as they go, by several processes through several mounts of one server.

storms.py storm SECONDS SEED MOUNT...   two processes a mount; fails on any error that a name that came or went does not explain
storms.py hold FOLDER COUNT             makes files, unlinks them, writes on, says "ready" and waits to be killed
storms.py swap SECONDS MOUNT OTHER        by OTHER two folders change places all the time, by MOUNT one of them is removed or replaced: the other one must still be usable there
storms.py there SECONDS MOUNT OTHER       by OTHER names are replaced, exchanged, taken over from links, and made and removed by the thousand: by MOUNT those that are always there must be
storms.py walk MOUNT                    prints the tree: depth, number, name, type, link count and size of each entry
"""
import ctypes
import errno
import multiprocessing
import os
import random
import signal
import stat
import sys
import time

NAMES = [f"n{number}" for number in range(6)] + ["a-name-that-does-not-fit-where-a-short-one-was-" * 3]
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
AT_FDCWD = -100
# What may become of a call when others move and remove what it names.
EXPECTED = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.ESTALE, errno.EPERM, errno.EBUSY}
libc = ctypes.CDLL(None, use_errno=True)


def rename2(old, new, flags):
    if libc.renameat2(AT_FDCWD, old.encode(), AT_FDCWD, new.encode(), flags):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), old)


class Stormer:
    def __init__(self, mount, seed):
        self.mount, self.random = mount, random.Random(seed)
        self.open = []

    def path(self, deepest=4):
        return os.path.join(self.mount, *[self.random.choice(NAMES) for _ in range(self.random.randint(1, deepest))])

    def make_directory(self):
        os.mkdir(self.path())

    def make_file(self):
        with open(self.path(), "wb") as file:
            file.write(b"x" * self.random.choice([0, 10, 3000, 20000]))

    def make_symlink(self):
        os.symlink("nowhere", self.path())  # not round in circles: that would be ELOOP, rightly

    def rename(self):
        os.rename(self.path(), self.path())

    def rename_directory(self):
        """Into another one's child, over and over: the way to a loop."""
        inner = self.path(2)
        os.rename(self.path(2), os.path.join(inner, self.random.choice(NAMES)))

    def exchange(self):
        rename2(self.path(), self.path(), RENAME_EXCHANGE)

    def keep(self):
        rename2(self.path(), self.path(), RENAME_NOREPLACE)

    def link(self):
        os.link(self.path(), self.path(), follow_symlinks=False)

    def unlink(self):
        os.unlink(self.path())

    def remove_directory(self):
        os.rmdir(self.path())

    def open_and_unlink(self):
        path = self.path()
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.open.append(fd)
        os.write(fd, b"held")
        os.unlink(path)
        if len(self.open) > 8:
            fd = self.open.pop(self.random.randrange(len(self.open)))
            try:
                assert os.pread(fd, 4, 0)[:4] in (b"held", b"xxxx", b""), "another file's bytes"
            finally:
                os.close(fd)

    def list(self):
        os.listdir(os.path.dirname(self.path()))

    def run(self, seconds):
        calls = [self.make_directory] * 4 + [self.make_file] * 3 + [self.rename] * 4 + [self.rename_directory] * 3 + [self.exchange] * 3 + [
            self.keep, self.link, self.link, self.unlink, self.unlink, self.remove_directory, self.open_and_unlink, self.make_symlink, self.list]
        end = time.monotonic() + seconds
        done = 0
        while time.monotonic() < end:
            call = self.random.choice(calls)
            try:
                call()
                done += 1
            except OSError as error:
                if error.errno not in EXPECTED:
                    print(f"{call.__name__}: {error}", file=sys.stderr)
                    return 1
        # A storm that changes next to nothing shows nothing. (slower: harness.sh)
        return 0 if done > 20 * seconds / int(os.environ.get("slower", 1)) else 2


def storm(seconds, seed, mounts):
    processes = [multiprocessing.Process(target=lambda m=mount, s=seed * 100 + number: sys.exit(Stormer(m, s).run(seconds)))
                 for number, mount in enumerate(mounts * 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    codes = [process.exitcode for process in processes]
    print("statuses of the processes:", codes)
    return max(abs(code) for code in codes)


def hold(folder, count):
    os.makedirs(folder, exist_ok=True)
    files = []
    for number in range(count):
        path = f"{folder}/held-{number}"
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(file, b"h" * (1000 + number * 7000))
        if number % 2:
            os.unlink(path)
            os.write(file, b"i" * 50000)
        files.append(file)
    print("ready", flush=True)
    signal.pause()


def exchange_until(stop, folder):
    while not stop.is_set():
        try:
            rename2(f"{folder}/a", f"{folder}/b", RENAME_EXCHANGE)
        except OSError as error:
            if error.errno != errno.ENOENT:  # one is away just now
                raise


def use(path):
    """By its descriptor: the name may be another folder's at once."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.mkdir("inner", dir_fd=folder)
    os.rmdir("inner", dir_fd=folder)
    os.close(folder)


def remove_one(folder, number):
    if number % 2:
        os.rmdir(f"{folder}/a")
    else:
        os.makedirs(f"{folder}/c", exist_ok=True)
        os.rename(f"{folder}/c", f"{folder}/a")


def swap(seconds, mount, other):
    stop = multiprocessing.Event()
    os.mkdir(f"{mount}/swap")
    for name in "ab":
        os.mkdir(f"{mount}/swap/{name}")
    process = multiprocessing.Process(target=exchange_until, args=(stop, f"{other}/swap"), daemon=True)
    process.start()
    end = time.monotonic() + seconds
    rounds = again = 0
    while time.monotonic() < end:
        open_ones = [os.open(f"{mount}/swap/{name}", os.O_RDONLY) for name in "ab"]  # so the kernel does not forget them
        try:
            remove_one(f"{mount}/swap", rounds)
        except OSError as error:
            if error.errno != errno.ESTALE:  # twice in a row it was another one
                raise
            again += 1
            continue
        else:
            use(f"{mount}/swap/b")
        finally:
            for folder in open_ones:
                os.close(folder)
        if rounds % 2:
            os.mkdir(f"{mount}/swap/a")
        rounds += 1
    stop.set()
    process.join()
    for name in os.listdir(f"{mount}/swap"):
        os.rmdir(f"{mount}/swap/{name}")
    os.rmdir(f"{mount}/swap")
    print(rounds, "rounds,", again, "times ESTALE")
    return process.exitcode


def replace_names(folder):
    with open(f"{folder}/new", "w", encoding="ascii") as file:
        file.write("new")
    os.rename(f"{folder}/new", f"{folder}/replaced")
    rename2(f"{folder}/one", f"{folder}/other", RENAME_EXCHANGE)
    os.unlink(f"{folder}/link")  # the object's own name is another one in turn
    os.link(f"{folder}/linked", f"{folder}/link")
    os.rename(f"{folder}/link", f"{folder}/moving")
    os.unlink(f"{folder}/linked-too")
    os.link(f"{folder}/linked", f"{folder}/linked-too")
    os.rename(f"{folder}/moving", f"{folder}/link")


def replace_until(stop, folder):
    while not stop.is_set():
        replace_names(folder)


def grow_until(stop, folder):
    """So many that the table of all names gets more buckets, and fewer again."""
    os.mkdir(f"{folder}/many")
    while not stop.is_set():
        for number in range(8000):
            os.mknod(f"{folder}/many/{number}")
        for number in range(8000):
            os.unlink(f"{folder}/many/{number}")


def there(seconds, mount, other):
    folder = f"{mount}/there"
    os.mkdir(folder)
    names = ["replaced", "one", "other", "linked"]
    still = [f"still-{number}" for number in range(200)]
    for name in names + still:
        os.mknod(f"{folder}/{name}")
    for name in ("link", "linked-too"):
        os.link(f"{folder}/linked", f"{folder}/{name}")
    stop = multiprocessing.Event()
    processes = [multiprocessing.Process(target=change, args=(stop, f"{other}/there"), daemon=True) for change in (replace_until, grow_until)]
    for process in processes:
        process.start()
    end = time.monotonic() + seconds
    looks = 0
    while time.monotonic() < end:
        for name in names * 5 + random.sample(still, 10):
            os.stat(f"{folder}/{name}")  # raises where it is not found
        if os.path.exists(f"{folder}/never"):
            raise AssertionError("a name that nobody made")
        looks += 30
    stop.set()
    for process in processes:
        process.join()
    print(looks, "looks")
    return max(process.exitcode for process in processes)


def walk(mount):
    """By steps down and up again, for storms pile folders higher than a path is long, a stack of calls deep and a process may hold open."""
    os.chdir(mount)
    to_do = [sorted(os.listdir("."))]
    while to_do:
        if not to_do[-1]:
            to_do.pop()
            os.chdir("..")
            continue
        name = to_do[-1].pop()
        info = os.lstat(name)
        folder = stat.S_ISDIR(info.st_mode)
        print(len(to_do), info.st_ino, name, stat.filemode(info.st_mode), info.st_nlink, 0 if folder else info.st_size)
        if folder:
            os.chdir(name)
            to_do.append(sorted(os.listdir(".")))


if __name__ == "__main__":
    arguments = sys.argv[2:]
    if sys.argv[1] == "storm":
        sys.exit(storm(float(arguments[0]), int(arguments[1]), arguments[2:]))
    if sys.argv[1] == "hold":
        hold(arguments[0], int(arguments[1]))
    if sys.argv[1] == "swap":
        sys.exit(swap(float(arguments[0]), *arguments[1:]))
    if sys.argv[1] == "there":
        sys.exit(there(float(arguments[0]), *arguments[1:]))
    if sys.argv[1] == "walk":
        walk(arguments[0])
