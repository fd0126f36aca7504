"""small: the life of small files, step by step, on everything that mounts.py mounts."""
import json

from .mounts import MOST, mount_all
from .settings import ALL
from .stage import Stage
from .subjects import mount_null_tree

PART = "small"
SECONDS_PER_FILE = 0.0004  # all steps, on most; for plans
SSHFS_FILES_SHARE = 10     # it is that much slower


def plan(settings):
    cells = len(ALL) * MOST * settings.small_rounds
    return f"{len(ALL)} placements x {MOST} file systems, {settings.small_rounds} rounds with {settings.small_files:,} files", \
        cells * settings.small_files * SECONDS_PER_FILE


def run(bench):
    for placement in ALL:
        with Stage(bench.folder(), bench.cpus) as stage:
            _, folders = mount_all(bench, stage, placement, "1G", mount_null_tree)
            for number in range(bench.settings.small_rounds):
                bench.say(f"{placement.name}, round {number + 1} of {bench.settings.small_rounds}")
                for name, folder in folders.items():
                    files = bench.settings.small_files // (SSHFS_FILES_SHARE if name == "sshfs" else 1)
                    out = stage.client(placement.client, [bench.programs.small_files, folder, str(files)], files * 0.01)
                    for step, ns in json.loads(out).items():
                        bench.results.add(PART, placement.name, step, name, {"ns": ns})
                stage.check()
