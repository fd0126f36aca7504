"""How long and how often each thing is measured, and where programs run."""
from dataclasses import dataclass

SIZES = {"64 B": 64, "4 KiB": 4096, "64 KiB": 65536, "1 MiB": 1 << 20}
CONNECTION_SIZES = ("64 B", "4 KiB")
CONNECTIONS = 16
FEW_OBJECTS = 10000
FIO_FILE_MIB = 256


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
PINNED = (TWO_CPUS, ONE_CPU)
ALL = (TWO_CPUS, ONE_CPU, NOT_PINNED)


@dataclass(frozen=True)
class Settings:
    """Seconds of one cell, and rounds, by part."""
    key_value_seconds: float
    key_value_rounds: int
    connections_seconds: float
    connections_rounds: int
    mount_seconds: float
    mount_rounds: int
    metadata_files: int
    metadata_rounds: int
    small_files: int
    small_rounds: int
    objects: int
    objects_pool: str
    objects_seconds: float
    objects_rounds: int
    limit_minutes: int


FULL = Settings(0.7, 3, 1.0, 2, 0.7, 2, 20_000, 2, 3_000, 2, 10_000_000, "4G", 1.0, 5, 20)
QUICK = Settings(0.15, 3, 0.25, 3, 0.25, 2, 2_000, 1, 500, 1, 1_000_000, "512M", 0.3, 3, 3)
