"""Cases of test_in_place.sh: in_place.py CASE MOUNT_A MOUNT_B FAR"""
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

case, a, b, far = sys.argv[1:5]
PAGE = 4096
PAGES = 64
SLOWER = int(os.environ.get("slower", "1"))  # harness.sh


def page(number):
    return number.to_bytes(8, "little") * (PAGE // 8)


def make(name, pages=PAGES):
    with open(f"{a}/{name}", "wb") as file:
        file.write(page(0) * pages)
    return os.open(f"{a}/{name}", os.O_RDWR), os.open(f"{b}/{name}", os.O_RDWR)


def stat_by_key(name):
    return json.loads(subprocess.run([far, "stat", "--json", name], check=True, capture_output=True, text=True).stdout)["objects"][0]


def warm(fd):
    """Enough writes in place for a window."""
    for number in range(1, 40):
        os.pwrite(fd, page(number), 0)


def seen_at_once():
    ours, theirs = make("seen")
    warm(ours)
    mtime = 0
    rounds = 3000 // SLOWER
    for number in range(1, rounds):
        at = number * 7 % PAGES * PAGE
        os.pwrite(ours, page(number), at)
        if number % 50 and number > 100:
            continue  # long stretches without anybody looking
        assert os.pread(theirs, PAGE, at) == page(number), number
        now = os.fstat(theirs).st_mtime_ns
        assert now > mtime, (number, now, mtime)
        mtime = now
    assert stat_by_key("seen")["version"] >= rounds


def by_key():
    ours, _ = make("key")
    version = stat_by_key("key")["version"]
    for number in range(1, 60 // SLOWER):
        for _ in range(20):
            os.pwrite(ours, page(number), 5 * PAGE)
        value = subprocess.run([far, "get", "key"], check=True, capture_output=True).stdout
        assert value[5 * PAGE:6 * PAGE] == page(number) and len(value) == PAGES * PAGE
        now = stat_by_key("key")["version"]
        assert now >= version + 20, (now, version)
        version = now
        for _ in range(10):
            os.pwrite(ours, page(number), 5 * PAGE)
        stale = subprocess.run([far, "cas", "key", str(version), "-"], input=b"lost", capture_output=True)
        assert stale.returncode != 0, "a value that was written in place was replaced by its old version"
        version = stat_by_key("key")["version"]


def both_write():
    ours, theirs = make("both")
    stop = time.monotonic() + 2
    errors = []

    def write(fd, which):
        number = which
        while time.monotonic() < stop:
            number += 2
            at = random.randrange(PAGES // 2) * 2 + which
            os.pwrite(fd, page(number), at * PAGE)
            if os.pread(fd, PAGE, at * PAGE) != page(number):
                errors.append((which, at))

    threads = [threading.Thread(target=write, args=(fd, which)) for which, fd in enumerate((ours, theirs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert os.pread(ours, PAGES * PAGE, 0) == os.pread(theirs, PAGES * PAGE, 0)


def truncated():
    ours, theirs = make("cut")
    stop = time.monotonic() + 2
    bad = []

    def write():
        number = 0
        while time.monotonic() < stop:
            number += 1
            os.pwrite(ours, b"\xff" * PAGE, 0)  # never beyond the end that truncation leaves for good

    thread = threading.Thread(target=write)
    thread.start()
    while time.monotonic() < stop:
        os.ftruncate(theirs, 2 * PAGE - 100)
        os.ftruncate(theirs, 3 * PAGE)
        tail = os.pread(theirs, PAGE + 100, 2 * PAGE - 100)
        if tail != bytes(PAGE + 100):
            bad.append(tail[:16])
    thread.join()
    assert not bad, bad[:3]
    assert os.pread(theirs, PAGE, 0) == b"\xff" * PAGE


def names():
    for number in range(max(30 // SLOWER, 3)):
        ours, theirs = make("named")
        warm(ours)
        os.pwrite(ours, page(7), 3 * PAGE)
        if number % 3 == 0:
            os.unlink(f"{b}/named")
        elif number % 3 == 1:
            with open(f"{b}/other", "wb") as file:
                file.write(b"other")
            os.rename(f"{b}/other", f"{b}/named")
            assert open(f"{a}/named", "rb").read() == b"other"
        else:
            os.rename(f"{b}/named", f"{b}/renamed")
            assert open(f"{a}/renamed", "rb").read(PAGE) == page(39)
        # Open files go on.
        assert os.pread(theirs, PAGE, 3 * PAGE) == page(7)
        for again in range(40):
            os.pwrite(ours, page(again), 4 * PAGE)
        assert os.pread(theirs, PAGE, 4 * PAGE) == page(39)
        os.close(ours)
        os.close(theirs)


def holes():
    ours = os.open(f"{a}/holes", os.O_RDWR | os.O_CREAT)
    theirs = os.open(f"{b}/holes", os.O_RDWR)
    os.ftruncate(ours, 1024 * PAGE)
    expected = {}
    for number in range(1, 2000 // SLOWER):
        at = random.choice((3, 4, 5, 6, 7, random.randrange(1024)))
        os.pwrite(ours, page(number), at * PAGE)
        expected[at] = number
    content = os.pread(theirs, 1024 * PAGE, 0)
    for at in range(1024):
        assert content[at * PAGE:(at + 1) * PAGE] == page(expected.get(at, 0)), at
    assert os.fstat(theirs).st_blocks * 512 < 1024 * PAGE


def large():
    ours, theirs = make("large", 2048)
    for number in range(1, 40 // SLOWER):
        at = random.randrange(1024) * PAGE + random.choice((0, 0, 1, 777))
        length = random.choice((1 << 20, 1 << 20, 300000, 65536 + 13, 10000))
        block = os.urandom(length)
        assert os.pwrite(ours, block, at) == length
        assert os.pread(theirs, length, at) == block
        for again in range(6):
            os.pwrite(ours, block, at)


def killed():
    for number in range(10):
        ours, theirs = make("killed")
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            written = 0
            while True:
                written += 1
                os.pwrite(ours, page(written), 9 * PAGE)
                os.write(write_end, page(written)[:8])
        time.sleep(0.05)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(write_end)
        told = b""
        while True:
            more = os.read(read_end, 1 << 16)
            if not more:
                break
            told = (told + more)[-8:] if (len(told) + len(more)) % 8 == 0 else told + more
        last = int.from_bytes(told[-8:], "little")
        seen = int.from_bytes(os.pread(theirs, 8, 9 * PAGE), "little")
        assert seen in (last, last + 1), (seen, last)
        os.close(read_end)


globals()[case]()
