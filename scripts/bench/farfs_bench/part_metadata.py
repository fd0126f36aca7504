"""metadata: a tree of many small files, unpacked, listed, read and removed, on mounts over both providers, on the null FUSE tree, and on a tmpfs."""
import io
import os
import tarfile
import time

from .settings import NOT_PINNED, TWO_CPUS
from .stage import Stage
from .subjects import FarServer, mount_far, mount_null_tree

PART = "metadata"
PLACEMENTS = (TWO_CPUS, NOT_PINNED)
FILE_BYTES = 1024
FILES_PER_DIRECTORY = 100
SUBJECTS = 4
SECONDS_PER_FILE = 0.0007  # all workloads, on a slow one; for plans
WORKLOADS = {  # in this order: each finds what those before it left
    "tar x": "tar xf {archive} -C {folder}",
    "ls -lR": "ls -lR {folder} >/dev/null",
    "find": "find {folder} >/dev/null",
    "cat": "find {folder} -type f -print0 | xargs -0 cat >/dev/null",
    "rm -r": "rm -r {folder}/tree",
}


def plan(settings):
    cells = len(PLACEMENTS) * SUBJECTS * settings.metadata_rounds
    return f"{len(PLACEMENTS)} placements x {SUBJECTS} file systems, {settings.metadata_rounds} rounds with {settings.metadata_files:,} files", \
        cells * settings.metadata_files * SECONDS_PER_FILE


def _make_archive(path, files):
    with tarfile.open(path, "w") as archive:
        for number in range(files):
            member = tarfile.TarInfo(f"tree/{number // FILES_PER_DIRECTORY:04}/{number:06}")
            member.size = FILE_BYTES
            archive.addfile(member, io.BytesIO(bytes([number % 256]) * FILE_BYTES))


def _counts(folder):
    """What the mount has done so far; nothing where it is not FarFS's."""
    try:
        text = os.getxattr(os.path.dirname(folder), "user.far.mount").decode()
    except OSError:
        return {}
    counts = {name: int(value) for name, value in (line.split(" ", 1) for line in text.splitlines()) if value.isdigit()}
    return {"messages": counts["messages"], "requests": counts["requests"] + counts["remote_reads"]}


def _measure(bench, stage, placement, workload, name, folder, archive):
    files = bench.settings.metadata_files
    line = WORKLOADS[workload].format(archive=archive, folder=folder)
    before = _counts(folder)
    begin = time.monotonic()
    stage.client(placement.client, ["bash", "-o", "pipefail", "-c", line], files * SECONDS_PER_FILE)
    figures = {"seconds": time.monotonic() - begin}
    after = _counts(folder)
    figures.update({what: (after[what] - before[what]) / files for what in before})
    bench.results.add(PART, placement.name, workload, name, figures)


def _mount_all(bench, stage, placement):
    server = FarServer(stage, bench.programs, placement.server, "1G")
    paths = {provider: mount_far(stage, bench.programs, placement.daemon, provider, address)
             for provider, address in server.addresses.items()}
    paths["null"] = mount_null_tree(stage, bench.programs, placement.daemon)
    paths["tmpfs"] = stage.mount_tmpfs("tmpfs")
    folders = {}
    for name, path in paths.items():
        folders[name] = os.path.join(path, "of-" + name)  # two mounts of one server show the same files
        os.mkdir(folders[name])
    return folders


def run(bench):
    archive = os.path.join(bench.top, "tree.tar")
    _make_archive(archive, bench.settings.metadata_files)
    for placement in PLACEMENTS:
        with Stage(bench.folder(), bench.cpus) as stage:
            folders = _mount_all(bench, stage, placement)
            for number in range(bench.settings.metadata_rounds):
                bench.say(f"{placement.name}, round {number + 1} of {bench.settings.metadata_rounds}")
                for workload in WORKLOADS:
                    for name, folder in folders.items():
                        _measure(bench, stage, placement, workload, name, folder, archive)
                stage.check()
