"""How long and how often each thing is measured, and where programs run."""
from dataclasses import dataclass

SIZES = {"64 B": 64, "4 KiB": 4096, "64 KiB": 65536, "1 MiB": 1 << 20}
CONNECTION_SIZES = ("64 B", "4 KiB")
CONNECTIONS = 16
DEPTH = 16
DEPTH_SIZES = {"64 B": 64, "1 KiB": 1024}
DEPTH_CONNECTIONS = (1, 4)
THREADS_SIZES = ("64 B", "4 KiB", "64 KiB")
THREADS_OPERATIONS = ("warm-get", "cold-get", "put")
THREADS_CLIENTS = 4
FEW_OBJECTS = 10000
BATCH_KEYS = 100  # of many gets or puts in one call
EVICTION_SIZES = {"64 B": 64, "1 KiB": 1024}
FIO_FILE_MIB = 256  # as the job files have it


def keys_of(size):
    """Keys in use at a size: enough that no single one stays in a cache line, 16 MiB at most."""
    return 256 if size <= 65536 else 16


@dataclass(frozen=True)
class Placement:
    """The CPUs (0: the first, 1: the second) of the server, the mount's daemon, and the client."""
    name: str
    server: tuple
    daemon: tuple
    client: tuple


TWO_CPUS = Placement("two CPUs", server=(1,), daemon=(0,), client=(0,))
ONE_CPU = Placement("one CPU", server=(0,), daemon=(0,), client=(0,))
NOT_PINNED = Placement("not pinned", server=(0, 1), daemon=(0, 1), client=(0, 1))
ALL = (TWO_CPUS, ONE_CPU, NOT_PINNED)
SERVER_WAYS = ((TWO_CPUS, "shm"), (ONE_CPU, "shm"), (TWO_CPUS, "tcp"))  # in which a server is compared with itself under another option


def sizes_of(placement):
    """Not pinned, what matters is how a small answer finds its way; large ones are the same."""
    return {name: SIZES[name] for name in (CONNECTION_SIZES if placement is NOT_PINNED else SIZES)}


@dataclass(frozen=True)
class Settings:
    """Seconds of one cell, and rounds, by part."""
    key_value_seconds: float
    key_value_rounds: int
    connections_seconds: float
    connections_rounds: int
    depth_seconds: float
    depth_rounds: int
    threads_seconds: float
    threads_rounds: int
    mount_seconds: float             # 4 KiB at random
    mount_sequential_seconds: float  # and by the page cache
    mount_rounds: int
    mount_has_all: bool              # else the essential workloads alone
    metadata_files: int
    metadata_rounds: int
    small_files: int
    small_rounds: int
    objects: int
    objects_pool: str
    objects_seconds: float
    objects_rounds: int
    many_seconds: float
    many_rounds: int
    eviction_seconds: float
    eviction_rounds: int
    eviction_pool: str               # that is full
    expiry_objects: int
    expiry_rounds: int
    metrics_seconds: float
    metrics_rounds: int
    rdma_seconds: float
    rdma_rounds: int
    rdma_files: int


FULL = Settings(
    key_value_seconds=0.25, key_value_rounds=2, connections_seconds=0.4, connections_rounds=2,
    depth_seconds=0.25, depth_rounds=5,
    threads_seconds=0.4, threads_rounds=5,
    mount_seconds=0.3, mount_sequential_seconds=0.4, mount_rounds=2, mount_has_all=True,
    metadata_files=3_000, metadata_rounds=2, small_files=10_000, small_rounds=2,
    objects=10_000_000, objects_pool="4G", objects_seconds=1.0, objects_rounds=3,
    many_seconds=0.25, many_rounds=2,
    eviction_seconds=0.25, eviction_rounds=7, eviction_pool="256M",
    expiry_objects=1_000_000, expiry_rounds=2,
    metrics_seconds=0.4, metrics_rounds=9,
    rdma_seconds=0.7, rdma_rounds=3, rdma_files=200)
QUICK = Settings(
    key_value_seconds=0.06, key_value_rounds=1, connections_seconds=0.1, connections_rounds=1,
    depth_seconds=0.1, depth_rounds=1,
    threads_seconds=0.1, threads_rounds=3,
    mount_seconds=0.15, mount_sequential_seconds=0.15, mount_rounds=1, mount_has_all=False,
    metadata_files=500, metadata_rounds=1, small_files=500, small_rounds=1,
    objects=500_000, objects_pool="256M", objects_seconds=0.2, objects_rounds=2,
    many_seconds=0.1, many_rounds=2,
    eviction_seconds=0.1, eviction_rounds=3, eviction_pool="64M",
    expiry_objects=100_000, expiry_rounds=1,
    metrics_seconds=0.2, metrics_rounds=3,
    rdma_seconds=0.3, rdma_rounds=2, rdma_files=50)
