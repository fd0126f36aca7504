"""The figures that the mount is to reach."""
from .settings import ALL
from .target import BEST, Target, by_placement

RING_BOUNDS = {  # of the null file system's operations a second on the same ring
    "4 KiB random read": 1 / 1.10, "4 KiB random write": 1 / 1.15, "4 KiB random read, 16 at once": 0.85, "4 KiB random write, 16 at once": 0.85,
    "1 MiB sequential read": 0.9, "1 MiB sequential write": 0.9}
LEAST_CLASSIC = (*list(RING_BOUNDS)[:4], "4 KiB random read, 4 jobs", "4 KiB random write, 4 jobs")


def _ratios(results, workload, over, under):
    return by_placement(lambda place: results.ratio(("mount", place, workload, over, "ops"), ("mount", place, workload, under, "ops")))


def _best(results, workload, over, under):
    """Of the two medians, each where it is highest."""
    most = [max((results.median("mount", placement.name, workload, name, "ops") or 0 for placement in ALL), default=0) for name in (over, under)]
    return {BEST: most[0] / most[1] if all(most) else None}


def _classic(results):
    for provider in ("shm", "tcp"):
        for workload in RING_BOUNDS:
            yield Target(f"mount over {provider}, {workload}: / null FUSE", 0.9, True, " x", _ratios(results, workload, provider, "null"))


def _ring(results):
    for workload, bound in RING_BOUNDS.items():
        yield Target(f"mount over shm by the ring, {workload}: / null FUSE by the ring", round(bound, 2), True, " x",
                     _ratios(results, workload, "shm ring", "null ring"))
    yield Target("mount over shm by the ring, 4 KiB random read: / null FUSE by /dev/fuse", 2.0, True, " x",
                 _ratios(results, "4 KiB random read", "shm ring", "null"))
    for workload in LEAST_CLASSIC:
        yield Target(f"mount over shm by the ring, {workload}: no slower than null FUSE by /dev/fuse", 1.0, True, " x",
                     _ratios(results, workload, "shm ring", "null"))


def _buffered(results):
    for block in ("128 KiB", "1 MiB"):
        for name in ("shm", "shm ring", "tcp ring", "shm alone"):
            yield Target(f"mount over {name}, buffered re-read by {block}: / tmpfs", 0.9, True, " x",
                         _ratios(results, f"buffered, {block} re-read", name, "tmpfs"))


def _sshfs(results):
    for name in ("tcp", "tcp ring"):
        yield Target(f"mount over {name}, 4 KiB random read: / sshfs", 4, True, " x", _best(results, "4 KiB random read", name, "sshfs"))


def targets(results):
    return [*_classic(results), *_ring(results), *_buffered(results), *_sshfs(results)]
