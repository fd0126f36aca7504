"""mount: fio on everything that mounts.py mounts."""
import os

from . import loads
from .failure import Failure
from .mounts import mount_all
from .settings import FIO_FILE_MIB
from .stage import Stage
from .subjects import mount_null
from .workloads import RANDOM, chosen, placements

PART = "mount"
FILL_SECONDS = 11


def _seconds(settings, workload):
    return settings.mount_seconds if workload.file == RANDOM else settings.mount_sequential_seconds


def _cells(settings):
    return [_seconds(settings, workload) + loads.FIO_START_SECONDS
            for placement in placements(settings) for workload in chosen(settings, placement) for subject in workload.subjects if workload.runs_on(subject)]


def plan(settings):
    cells, count = _cells(settings), len(placements(settings))
    return f"{count} placements, {len(cells)} cells, {settings.mount_rounds} rounds", \
        settings.mount_rounds * sum(cells) + count * FILL_SECONDS


def _fill(path):
    block = os.urandom(1 << 20)
    with open(path, "r+b" if os.path.exists(path) else "wb", buffering=0) as file:
        for _ in range(FIO_FILE_MIB):
            if file.write(block) != len(block):
                raise Failure(f"{path}: only part of a write was taken")
    size = os.stat(path).st_size
    if size != FIO_FILE_MIB << 20:
        raise Failure(f"{path}: {size} bytes after writing {FIO_FILE_MIB << 20}")


def _measure(bench, stage, placement, folders):
    """One round: what is compared runs in turns."""
    for workload in chosen(bench.settings, placement):
        for name, folder in folders.items():
            if workload.runs_on(name):
                figures = loads.fio(stage, placement, workload, folder, _seconds(bench.settings, workload))
                bench.results.add(PART, placement.name, workload.label, name, figures)


def run(bench):
    rounds = bench.settings.mount_rounds
    for placement in placements(bench.settings):
        with Stage(bench.folder(), bench.cpus) as stage:
            server, folders = mount_all(bench, stage, placement, "1536M", mount_null)
            for folder in folders.values():
                _fill(os.path.join(folder, "file"))
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                _measure(bench, stage, placement, folders)
                stage.check()
            bench.results.add("memory", placement.name, "after mount", "far-server", {"bytes": server.memory_beside_pool()})
