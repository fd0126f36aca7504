"""What fio does on a mount: sections of the job files in scripts/bench/fio, where each runs, and on which file systems."""
import os
from dataclasses import dataclass

from .settings import ALL, NOT_PINNED, TWO_CPUS

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fio")
RANDOM, SEQUENTIAL, BUFFERED = (os.path.join(FOLDER, name + ".fio") for name in ("random-4k", "sequential", "buffered"))

EVERY = ("shm", "tcp", "null", "shm ring", "tcp ring", "null ring", "shm alone", "tmpfs", "sshfs")
UNCACHED = tuple(name for name in EVERY if name != "shm alone")  # past the page cache, it is as shm
FUSE = ("shm", "tcp", "null", "shm ring", "tcp ring", "null ring")
MAIN = ("shm", "null", "shm ring", "tcp ring", "null ring")
FEWER = ("shm", "shm ring", "tcp ring", "null ring", "tmpfs", "sshfs")
CACHED = ("shm", "shm ring", "tcp ring", "null ring", "shm alone", "tmpfs", "sshfs")


@dataclass(frozen=True)
class Workload:
    label: str
    file: str
    section: str
    placements: tuple = ALL
    subjects: tuple = UNCACHED
    is_essential: bool = False  # part of a quick run, too

    @property
    def writes(self):
        return not self.section.startswith(("read", "first-read", "reread"))

    def runs_on(self, subject):
        """sshfs answers a write before its server has it: a figure of that would say nothing."""
        return subject in self.subjects and not (self.writes and subject == "sshfs")


# In this order: no re-read finds a file that has just been written, for after that FarFS drops what is cached at the next open.
WORKLOADS = (
    Workload("4 KiB random read", RANDOM, "read", is_essential=True),
    Workload("4 KiB random write", RANDOM, "write", is_essential=True),
    Workload("4 KiB random mixed", RANDOM, "mixed", subjects=MAIN),
    Workload("4 KiB random read, 16 at once", RANDOM, "read-16", subjects=FUSE, is_essential=True),
    Workload("4 KiB random write, 16 at once", RANDOM, "write-16", subjects=FUSE, is_essential=True),
    Workload("4 KiB random mixed, 16 at once", RANDOM, "mixed-16", (TWO_CPUS, NOT_PINNED), MAIN),
    Workload("4 KiB random read, 2 jobs", RANDOM, "read-2-jobs", (NOT_PINNED,), MAIN),
    Workload("4 KiB random write, 2 jobs", RANDOM, "write-2-jobs", (NOT_PINNED,), MAIN),
    Workload("4 KiB random read, 4 jobs", RANDOM, "read-4-jobs", (TWO_CPUS, NOT_PINNED), MAIN),
    Workload("4 KiB random write, 4 jobs", RANDOM, "write-4-jobs", (TWO_CPUS, NOT_PINNED), MAIN),
    Workload("4 KiB random mixed, 4 jobs", RANDOM, "mixed-4-jobs", (NOT_PINNED,), MAIN),
    Workload("4 KiB random read, 4 jobs, 16 at once", RANDOM, "read-16-4-jobs", (NOT_PINNED,), MAIN),
    Workload("4 KiB random write, 4 jobs, 16 at once", RANDOM, "write-16-4-jobs", (NOT_PINNED,), MAIN),
    Workload("128 KiB sequential read", SEQUENTIAL, "read-128k", subjects=FEWER),
    Workload("128 KiB sequential write", SEQUENTIAL, "write-128k", subjects=FEWER),
    Workload("1 MiB sequential read", SEQUENTIAL, "read-1m", is_essential=True),
    Workload("1 MiB sequential write", SEQUENTIAL, "write-1m"),
    Workload("buffered, 128 KiB write", BUFFERED, "write-128k", (TWO_CPUS, NOT_PINNED), CACHED),
    Workload("buffered, 128 KiB first read", BUFFERED, "first-read-128k", (TWO_CPUS, NOT_PINNED), CACHED),
    Workload("buffered, 128 KiB re-read", BUFFERED, "reread-128k", subjects=CACHED, is_essential=True),
    Workload("buffered, 1 MiB re-read", BUFFERED, "reread-1m", subjects=CACHED),
    Workload("buffered, 1 MiB write", BUFFERED, "write-1m", (NOT_PINNED,), CACHED),
    Workload("buffered, 1 MiB first read", BUFFERED, "first-read-1m", (NOT_PINNED,), CACHED),
)


def placements(settings):
    return ALL if settings.mount_has_all else (TWO_CPUS, NOT_PINNED)


def chosen(settings, placement):
    return [workload for workload in WORKLOADS
            if placement in workload.placements and (settings.mount_has_all or workload.is_essential)]
