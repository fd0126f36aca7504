"""Random operations on one file against a model of it, in the manner of fsx. FARFS_FSX_SEED and FARFS_FSX_COUNT repeat a run."""
import errno
import mmap
import os
import random

from mounted import FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, FIRST, SLOWER, case, fallocate, run, there

PAGE = 4096
SEED = int(os.environ.get("FARFS_FSX_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
COUNT = int(os.environ.get("FARFS_FSX_COUNT", "3000")) // SLOWER
ON_FARFS = any(line.split()[1:3] == [FIRST, "fuse.farfs"] for line in open("/proc/self/mounts"))  # elsewhere the cases are compared


class Model:
    """A file and what it must contain. `fds` are descriptors of it: by either mount, through the cache or past it."""

    def __init__(self, seed, largest, fds, maps):
        self.random = random.Random(seed)
        self.largest = largest
        self.fds = fds
        self.maps = maps  # descriptors that may be mapped; mounts do not see each other's mappings before msync
        self.content = bytearray()
        self.log = []

    def fd(self):
        return self.random.choice(self.fds)

    def range(self, limit):
        """Small or large, often beginning or ending at a page."""
        length = self.random.choice([self.random.randrange(1, 64), self.random.randrange(1, 9000), self.random.randrange(1, limit // 2 + 2)])
        offset = self.random.randrange(limit)
        if self.random.random() < 0.4:
            offset -= offset % PAGE
        if self.random.random() < 0.4:
            length = -(-length // PAGE) * PAGE
        return offset, max(1, min(length, limit - offset))

    def grow(self, size):
        if size > len(self.content):
            self.content.extend(bytes(size - len(self.content)))

    def store(self, offset, data):
        self.grow(offset + len(data))
        self.content[offset : offset + len(data)] = data

    def write(self):
        offset, length = self.range(self.largest)
        data = self.random.randbytes(length)
        assert os.pwrite(self.fd(), data, offset) == length
        self.store(offset, data)
        return offset, length

    def read(self):
        offset, length = self.range(self.largest)
        self.check(os.pread(self.fd(), length, offset), offset, length)
        return offset, length

    def truncate(self):
        size = self.random.choice([0, self.random.randrange(5000), self.random.randrange(self.largest)])
        os.ftruncate(self.fd(), size)
        del self.content[size:]
        self.grow(size)
        return size

    def allocate(self):
        offset, length = self.range(self.largest)
        keep = self.random.random() < 0.5
        fallocate(self.fd(), FALLOC_KEEP_SIZE if keep else 0, offset, length)
        if not keep:
            self.grow(offset + length)
        return offset, length, keep

    def punch(self):
        offset, length = self.range(self.largest)
        fallocate(self.fd(), FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, offset, length)
        end = min(len(self.content), offset + length)
        if end > offset:
            self.content[offset:end] = bytes(end - offset)
        return offset, length

    def zero(self):
        offset, length = self.range(self.largest)
        keep = self.random.random() < 0.5
        if not ON_FARFS:
            return None
        fallocate(self.fd(), FALLOC_ZERO_RANGE | (FALLOC_KEEP_SIZE if keep else 0), offset, length)
        if not keep:
            self.grow(offset + length)
        end = min(len(self.content), offset + length)
        if end > offset:
            self.content[offset:end] = bytes(end - offset)
        return offset, length, keep

    def copy(self):
        if len(self.content) < 2:
            return None
        offset = self.random.randrange(len(self.content))
        length = self.random.randrange(1, len(self.content) - offset + 1)
        to = self.random.randrange(self.largest)
        length = min(length, self.largest - to, abs(to - offset))
        if length == 0:
            return None
        fd = self.fd()
        os.fstat(fd)  # what the kernel copies ends where it last saw the end
        done = 0
        while done < length:
            copied = os.copy_file_range(fd, fd, length - done, offset + done, to + done)
            assert copied > 0, f"{offset} to {to}: {done} of {length} bytes"
            done += copied
        self.store(to, bytes(self.content[offset : offset + length]))
        return offset, to, length

    def mapped(self):
        if not self.maps or not self.content:
            return None
        offset, length = self.range(len(self.content))
        with mmap.mmap(self.random.choice(self.maps), len(self.content)) as view:
            self.check(view[offset : offset + length], offset, length)
            data = self.random.randbytes(length)
            view[offset : offset + length] = data
            self.content[offset : offset + length] = data
            if self.random.random() < 0.5:
                view.flush()
        return offset, length

    def seek(self):
        """What is not in the stored ranges is zero."""
        fd, at = self.fd(), 0
        while at < len(self.content):
            try:
                data = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as error:
                assert error.errno == errno.ENXIO
                data = len(self.content)
            assert not any(self.content[at:data]), f"data between {at} and {data}, which is a hole"
            at = os.lseek(fd, data, os.SEEK_HOLE) if data < len(self.content) else data
        return at

    def all(self):
        assert os.fstat(self.fd()).st_size == len(self.content), f"size {os.fstat(self.fd()).st_size} instead of {len(self.content)}"
        self.check(os.pread(self.fd(), self.largest + 1, 0), 0, self.largest + 1)
        return len(self.content)

    def check(self, seen, offset, length):
        wanted = self.content[offset : offset + length]
        if seen == wanted:
            return
        where = next((place for place, pair in enumerate(zip(seen, wanted)) if pair[0] != pair[1]), min(len(seen), len(wanted)))
        raise AssertionError(f"other bytes from {offset + where} on: {bytes(seen[where:where + 8])!r} instead of {bytes(wanted[where:where + 8])!r}, "
                             f"{len(seen)} bytes instead of {len(wanted)}")

    def run(self, count):
        steps = [self.write] * 5 + [self.read] * 4 + [self.truncate, self.allocate, self.punch, self.zero, self.copy, self.seek, self.all]
        steps += [self.mapped] * 3 if self.maps else []
        for number in range(count):
            step = self.random.choice(steps)
            self.log.append([number, step.__name__])
            self.log[-1].append(step())
        self.all()


def exercise(seed, largest, opens, *, maps, count=COUNT):
    """opens: (folder, flags) of each descriptor."""
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o644))
    fds = [os.open(os.path.join(folder, "f"), os.O_RDWR | flags) for folder, flags in opens]
    model = Model(seed, largest, fds, [fd for fd, (_, flags) in zip(fds, opens) if maps and not flags & os.O_DIRECT])
    try:
        model.run(count)
    except BaseException as error:
        steps = "\n".join(map(str, model.log[-12:]))
        raise AssertionError(f"FARFS_FSX_SEED={SEED} (of this case {seed}): {error}\n{steps}") from error
    finally:
        for fd in fds:
            os.close(fd)


@case(f"seed {SEED}: one mount, through the cache, mapped")
def cached():
    exercise(SEED, 300_000, [(".", 0), (".", 0)], maps=True)


@case(f"seed {SEED}: one mount, through the cache, past it and mapped")
def mixed():
    exercise(SEED + 1, 200_000, [(".", 0), (".", os.O_DIRECT), (".", 0)], maps=True)


@case(f"seed {SEED}: both mounts in turn")
def both():
    exercise(SEED + 2, 300_000, [(".", 0), (there(), 0)], maps=False)


@case(f"seed {SEED}: both mounts in turn, past the cache")
def both_direct():
    exercise(SEED + 3, 300_000, [(".", os.O_DIRECT), (there(), os.O_DIRECT)], maps=False)


@case(f"seed {SEED}: a small file, both mounts")
def small():
    exercise(SEED + 4, 9000, [(".", 0), (there(), 0), (".", os.O_DIRECT)], maps=False)


@case(f"seed {SEED}: a file of some megabytes")
def large():
    exercise(SEED + 5, 6_000_000, [(".", 0), (there(), os.O_DIRECT)], maps=False, count=COUNT // 10)


run()
