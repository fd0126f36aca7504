"""mount: fio on mounts over both providers, on the null FUSE file system, and on a tmpfs."""
import os

from . import loads
from .failure import Failure
from .settings import ALL, FIO_FILE_MIB
from .stage import Stage
from .subjects import FarServer, has_rings, mount_far, mount_null

PART = "mount"
WORKLOADS = {"4 KiB random read": ("randread", "4k", 1), "4 KiB random write": ("randwrite", "4k", 1),
             "4 KiB random read, 16 at once": ("randread", "4k", 16), "4 KiB random write, 16 at once": ("randwrite", "4k", 16),
             "1 MiB sequential read": ("read", "1M", 1), "1 MiB sequential write": ("write", "1M", 1)}
SUBJECTS = 7
FIO_START_SECONDS = 0.25
FILL_SECONDS = 5


def plan(settings):
    cells = len(ALL) * len(WORKLOADS) * SUBJECTS * settings.mount_rounds
    seconds = cells * (settings.mount_seconds + FIO_START_SECONDS) + len(ALL) * FILL_SECONDS
    return f"{len(ALL)} placements x {len(WORKLOADS)} workloads x {SUBJECTS} file systems, cells of {settings.mount_seconds} s, " \
           f"{settings.mount_rounds} rounds", seconds


def _fill(path):
    block = os.urandom(1 << 20)
    with open(path, "r+b" if os.path.exists(path) else "wb", buffering=0) as file:
        for _ in range(FIO_FILE_MIB):
            if file.write(block) != len(block):
                raise Failure(f"{path}: only part of a write was taken")
    size = os.stat(path).st_size
    if size != FIO_FILE_MIB << 20:
        raise Failure(f"{path}: {size} bytes after writing {FIO_FILE_MIB << 20}")


def _mount_all(bench, stage, placement):
    server = FarServer(stage, bench.programs, placement.server, "2G")
    paths = {}
    for way, suffix in [("classic", "")] + ([("ring", " ring")] if has_rings() else []):
        for provider, address in server.addresses.items():
            paths[provider + suffix] = mount_far(stage, bench.programs, placement.daemon, provider, address, way)
        paths["null" + suffix] = mount_null(stage, bench.programs, placement.daemon, way)
    paths["tmpfs"] = stage.mount_tmpfs("tmpfs")
    # Two mounts of one server show the same files: each its own.
    files = {name: os.path.join(path, "file" if name.startswith("null") else "file-" + name) for name, path in paths.items()}
    for path in files.values():
        _fill(path)
    return server, files


def run(bench):
    rounds = bench.settings.mount_rounds
    for placement in ALL:
        with Stage(bench.folder(), bench.cpus) as stage:
            server, files = _mount_all(bench, stage, placement)
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                for workload, (mode, block, depth) in WORKLOADS.items():
                    for name, path in files.items():
                        figures = loads.fio(stage, placement, path, mode, block, depth, bench.settings.mount_seconds)
                        bench.results.add(PART, placement.name, workload, name, figures)
                stage.check()
            bench.results.add("memory", placement.name, "after mount", "far-server", {"bytes": server.memory_beside_pool()})
