"""metadata: a tree of many small files, unpacked, listed, read, looked through by git, and removed, on everything that mounts.py mounts."""
import os
import time

from .git_tree import GitTree
from .mounts import MOST, mount_all
from .settings import ALL, NOT_PINNED
from .stage import Stage
from .subjects import mount_null_tree

PART = "metadata"
GIT_STATUS = "git status"
SECONDS_PER_FILE = 0.0009  # all workloads, on most; for plans
WORKLOADS = {  # in this order: each finds what those before it left
    "tar x": "tar xf {archive} -C {folder}",
    "ls -lR": "ls -lR {folder} >/dev/null",
    "find": "find {folder} >/dev/null",
    "cat": "find {folder} -type f -print0 | xargs -0 cat >/dev/null",
    GIT_STATUS: None,
    "rm -r": "rm -r {folder}/tree",
}


def plan(settings):
    cells = len(ALL) * MOST * settings.metadata_rounds
    return f"{len(ALL)} placements x {MOST} file systems, {settings.metadata_rounds} rounds with {settings.metadata_files:,} files", \
        cells * settings.metadata_files * SECONDS_PER_FILE


def _counts(folder):
    """What the mount has done so far; nothing where it is not FarFS's."""
    try:
        text = os.getxattr(os.path.dirname(folder), "user.far.mount").decode()
    except OSError:
        return {}
    counts = {name: int(value) for name, value in (line.split(" ", 1) for line in text.splitlines()) if value.isdigit()}
    return {"messages": counts["messages"], "requests": counts["requests"] + counts["remote_reads"]}


class Load:
    """The workloads on one stage."""

    def __init__(self, bench, stage, placement, tree):
        self.bench, self.stage, self.placement, self.tree = bench, stage, placement, tree

    def measure(self, workload, name, folder):
        files = self.bench.settings.metadata_files
        action = self._action(workload, name, folder)
        before = _counts(folder)
        begin = time.monotonic()
        action()
        figures = {"seconds": time.monotonic() - begin}
        after = _counts(folder)
        figures.update({what: (after[what] - before[what]) / files for what in before})
        self.bench.results.add(PART, self.placement.name, workload, name, figures)

    def _action(self, workload, name, folder):
        """What is to be timed, ready to go."""
        cpus = self.placement.client
        if workload == GIT_STATUS:
            command = self.tree.prepare(self.stage, cpus, name, os.path.join(folder, "tree"))
            return lambda: self.tree.ask(self.stage, cpus, command)
        line = WORKLOADS[workload].format(archive=self.tree.archive, folder=folder)
        seconds = self.bench.settings.metadata_files * SECONDS_PER_FILE
        return lambda: self.stage.client(cpus, ["bash", "-o", "pipefail", "-c", line], seconds)


def _round(load, folders):
    for workload in WORKLOADS:
        for name, folder in folders.items():
            load.measure(workload, name, folder)


def run(bench):
    rounds = bench.settings.metadata_rounds
    with Stage(bench.folder(), bench.cpus) as stage:
        tree = GitTree(stage, NOT_PINNED.client, bench.top, bench.settings.metadata_files)
    for placement in ALL:
        with Stage(bench.folder(), bench.cpus) as stage:
            _, folders = mount_all(bench, stage, placement, "1G", mount_null_tree)
            load = Load(bench, stage, placement, tree)
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                # Once is enough to see how slow it is.
                _round(load, {name: folder for name, folder in folders.items() if number == 0 or name != "sshfs"})
                stage.check()
