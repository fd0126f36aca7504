"""small: the life of small files, step by step, on mounts over both providers and in the ways that there are, on the null FUSE tree, on a tmpfs, and on sshfs."""
import json
import os

from .settings import NOT_PINNED, ONE_CPU, TWO_CPUS
from .stage import Stage
from .subjects import FarServer, has_rings, has_sshfs, mount_far, mount_null_tree, mount_sshfs

PART = "small"
PLACEMENTS = (TWO_CPUS, ONE_CPU, NOT_PINNED)
SUBJECTS = 10
SECONDS_PER_FILE = 0.0006  # all steps, on most; for plans
SSHFS_FILES_SHARE = 10     # it is that much slower


def plan(settings):
    cells = len(PLACEMENTS) * SUBJECTS * settings.small_rounds
    return f"{len(PLACEMENTS)} placements x {SUBJECTS} file systems, {settings.small_rounds} rounds with {settings.small_files:,} files", \
        cells * settings.small_files * SECONDS_PER_FILE


def _mount_all(bench, stage, placement):
    server = FarServer(stage, bench.programs, placement.server, "1G")
    paths = {}
    for way, suffix in [("classic", "")] + ([("ring", " ring")] if has_rings() else []):
        for provider, address in server.addresses.items():
            paths[provider + suffix] = mount_far(stage, bench.programs, placement.daemon, provider, address, way)
        paths["null" + suffix] = mount_null_tree(stage, bench.programs, placement.daemon, way)
    paths["shm alone"] = mount_far(stage, bench.programs, placement.daemon, "shm", server.addresses["shm"], options="cache=alone")
    paths["tmpfs"] = stage.mount_tmpfs("tmpfs")
    if has_sshfs():
        paths["sshfs"] = mount_sshfs(stage, placement.server, placement.daemon)
    folders = {}
    for name, path in paths.items():
        folders[name] = os.path.join(path, "of-" + name.replace(" ", "-"))  # mounts of one server show the same files
        os.mkdir(folders[name])
    return folders


def run(bench):
    for placement in PLACEMENTS:
        with Stage(bench.folder(), bench.cpus) as stage:
            folders = _mount_all(bench, stage, placement)
            for number in range(bench.settings.small_rounds):
                bench.say(f"{placement.name}, round {number + 1} of {bench.settings.small_rounds}")
                for name, folder in folders.items():
                    files = bench.settings.small_files // (SSHFS_FILES_SHARE if name == "sshfs" else 1)
                    out = stage.client(placement.client, [bench.programs.small_files, folder, str(files)], files * 0.01)
                    for step, ns in json.loads(out).items():
                        bench.results.add(PART, placement.name, step, name, {"ns": ns})
                stage.check()
