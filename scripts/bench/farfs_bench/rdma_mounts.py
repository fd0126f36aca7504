"""In the virtual machine of scripts/rdma-vm: a mount of FarFS over rdma, and NFS over RDMA, on the same devices; beside them the null FUSE file system and a tmpfs."""
import json
import os

from . import nfs_rdma
from .failure import Failure
from .perftest import Perftest
from .settings import NOT_PINNED
from .stage import Stage
from .subjects import FarServer, mount_far, mount_null, mount_null_tree

PART = "rdma"
PLACE = "virtual machine"
SERVER, CLIENT = "10.9.0.1", "10.9.0.2"
PORT = 7440
FILE_MIB = 64
PASSED_MIB = 32  # of what goes through the page cache, once: all of it arrives or comes
RAMP_SECONDS = 0.1
DIRECT = ("--direct=1", "--time_based", f"--ramp_time={int(RAMP_SECONDS * 1000)}ms")
BUFFERED = (f"--io_size={PASSED_MIB}m", "--end_fsync=1")  # fio drops what is cached of a file that it opens
AT_ONCE = ("--ioengine=io_uring", "--iodepth=16")
WORKLOADS = {
    "4 KiB random read": ("randread", "4k", DIRECT), "4 KiB random write": ("randwrite", "4k", DIRECT),
    "4 KiB random read, 16 at once": ("randread", "4k", (*DIRECT, *AT_ONCE)), "4 KiB random write, 16 at once": ("randwrite", "4k", (*DIRECT, *AT_ONCE)),
    "1 MiB sequential read": ("read", "1M", DIRECT), "1 MiB sequential write": ("write", "1M", DIRECT),
    "1 MiB sequential read, buffered": ("read", "1M", BUFFERED), "1 MiB sequential write, buffered, fsync": ("write", "1M", BUFFERED)}
# With many RPCs under way NFS's registrations meet "rxe_reg_fast_mr: not free" in Soft-RoCE of this kernel sooner or later, and it stands still for minutes.
NOT_OF_NFS = ("4 KiB random read, 16 at once", "4 KiB random write, 16 at once", "1 MiB sequential write, buffered, fsync")


def _fill(path):
    block = os.urandom(1 << 20)
    with open(path, "r+b" if os.path.exists(path) else "wb", buffering=0) as file:
        for _ in range(FILE_MIB):
            if file.write(block) != len(block):
                raise Failure(f"{path}: only part of a write was taken")
            os.fsync(file.fileno())  # few RPCs of NFS at once (below)


def _mount_all(bench, stage):
    server = FarServer(stage, bench.programs, NOT_PINNED.server, "512M", network=f"rdma://{SERVER}:{PORT}")
    nfs_rdma.export(stage.mount_tmpfs("nfsd"), CLIENT)
    return {"far": mount_far(stage, bench.programs, NOT_PINNED.daemon, "rdma", server.addresses["rdma"]), "nfs": nfs_rdma.mount(stage, SERVER, CLIENT),
            "null": mount_null(stage, bench.programs, NOT_PINNED.daemon, mib=FILE_MIB), "tmpfs": stage.mount_tmpfs("tmpfs")}


def _fio(stage, files, workload, seconds):
    """One workload on all files, one behind the other. By name: operations a second, and the median of one's time."""
    mode, block, options = WORKLOADS[workload]
    command = ["fio", "--thread", "--rw=" + mode, "--bs=" + block, "--size=100%", "--ioengine=psync", "--fallocate=none", "--output-format=json",
               f"--runtime={int(seconds * 1000)}ms", *options]
    files = {name: path for name, path in files.items() if name != "nfs" or workload not in NOT_OF_NFS}
    for name, path in files.items():
        # The tmpfs of this kernel knows no O_DIRECT, and has nothing to pass by.
        command += ["--name=" + name, "--filename=" + path, "--stonewall"] + (["--direct=0"] if name == "tmpfs" else [])
    out = stage.client(NOT_PINNED.client, command, len(files) * (seconds + RAMP_SECONDS) + 10)
    figures = {}
    for job in json.loads(out[out.index("{"):])["jobs"]:
        side = job["read" if "read" in mode else "write"]
        figures[job["jobname"]] = {"ops": side["iops"], "p50": side["clat_ns"]["percentile"]["50.000000"]}
    return figures


def _small_files(bench, stage, folders):
    for name, folder in folders.items():
        out = stage.client(NOT_PINNED.client, [bench.programs.small_files, folder, str(bench.settings.rdma_files)], bench.settings.rdma_files * 0.1)
        for step, ns in json.loads(out).items():
            bench.results.add(PART, PLACE, step, name, {"ns": ns})


def _folders(bench, stage, paths):
    """The null file system that has a single file has no folders: another one, that has names, takes its place."""
    paths = {**paths, "null": mount_null_tree(stage, bench.programs, NOT_PINNED.daemon)}
    folders = {name: os.path.join(path, "small") for name, path in paths.items()}
    for folder in folders.values():
        os.mkdir(folder)
    return folders


def _round(bench, stage, files, folders):
    for workload in WORKLOADS:
        for name, figures in _fio(stage, files, workload, bench.settings.rdma_seconds).items():
            bench.results.add(PART, PLACE, workload, name, figures)
    _small_files(bench, stage, folders)
    bench.results.add(PART, PLACE, "4 KiB random read", "ib_read_lat", {"p50": Perftest().latency_us("ib_read_lat", 4096) * 1000})


def run(bench, save):
    """Saves behind each round: the machine may be ended."""
    rounds = bench.settings.rdma_rounds
    with Stage(bench.folder(), bench.cpus) as stage:
        paths = _mount_all(bench, stage)
        files = {name: os.path.join(path, "file") for name, path in paths.items()}
        for path in files.values():
            _fill(path)
        folders = _folders(bench, stage, paths)
        for number in range(rounds):
            bench.say(f"round {number + 1} of {rounds}")
            _round(bench, stage, files, folders)
            save()
            stage.check()
