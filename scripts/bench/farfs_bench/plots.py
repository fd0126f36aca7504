"""The pictures beside the tables: which there are, and those that need few words."""
from dataclasses import dataclass
from typing import Callable

from . import gnuplot, plots_mount
from .settings import NOT_PINNED, SIZES, TWO_CPUS

KEY_VALUE = {"FarFS shm, one-sided": "far shm warm-get", "FarFS shm, server asked": "far shm cold-get", "Redis, unix socket": "redis unix get",
             "Valkey, unix socket": "valkey unix get", "FarFS tcp": "far tcp warm-get", "Redis tcp": "redis tcp get", "Valkey tcp": "valkey tcp get",
             "memcached tcp": "memcached tcp get"}
QUANTILES = {"p50": "median", "p99": "99 %", "p99.9": "99.9 %"}
METADATA_RATIOS = {"shm / null": ("shm", "null"), "shm ring / null ring": ("shm ring", "null ring"), "tcp / null": ("tcp", "null"),
                   "tcp ring / null ring": ("tcp ring", "null ring"), "shm ring / tmpfs": ("shm ring", "tmpfs")}


def _micro(nanoseconds):
    return None if nanoseconds is None else nanoseconds / 1000


def _by_size(results, path, place):
    measured = results.subjects("kv")
    subjects = {label: name for label, name in KEY_VALUE.items() if name in measured}

    def rate(size, name):
        nanoseconds = results.median("kv", place, size, name, "p50")
        return None if nanoseconds is None else SIZES[size] * 1e9 / nanoseconds

    rows = [(block, [rate(size, name) for name in subjects.values()]) for size, block in SIZES.items()]
    gnuplot.lines(path, "Gets by key, one after the other, " + place, "bytes a second (size / median latency)", subjects, rows, SIZES,
                  'set logscale xy\nset format y "%.0s %cB/s"\n')


def _latencies(results, path, place):
    measured = results.subjects("kv")
    rows = [(label, [_micro(results.median("kv", place, "4 KiB", name, metric)) for metric in QUANTILES])
            for label, name in KEY_VALUE.items() if name in measured]
    gnuplot.bars(path, "Latency of a get of 4 KiB, " + place, "microseconds", QUANTILES.values(), rows, least=0.05, is_log=True)


def _metadata(results, path, place):
    def ratio(case, over, under):
        spread = results.ratio(("metadata", place, case, under, "seconds"), ("metadata", place, case, over, "seconds"))
        return spread.median if spread else None

    rows = [(case, [ratio(case, *pair) for pair in METADATA_RATIOS.values()]) for case in results.cases("metadata", place)]
    gnuplot.bars(path, "Many small files, " + place, "times as fast", METADATA_RATIOS, rows, mark=1)


def _small(results, path, place):
    names = results.subjects("small")
    rows = [(step, [_micro(results.median("small", place, step, name, "ns")) for name in names]) for step in results.cases("small", place)]
    gnuplot.bars(path, "The life of small files, " + place, "microseconds a file", names, rows, least=0.5, is_log=True)


@dataclass(frozen=True)
class Picture:
    part: str
    name: str
    words: str  # what is said of it
    draw: Callable
    place: str


PICTURES = (
    Picture("kv", "by-size", "Gets by key: throughput by size", _by_size, TWO_CPUS.name),
    Picture("kv", "latencies", "Gets by key: latencies", _latencies, TWO_CPUS.name),
    Picture("mount", "mount", "The mount beside a null FUSE file system", plots_mount.ratios, TWO_CPUS.name),
    Picture("mount", "mount-not-pinned", "The same, not pinned", plots_mount.ratios, NOT_PINNED.name),
    Picture("mount", "mount-by-size", "The mount: throughput of reads by size", plots_mount.by_size, TWO_CPUS.name),
    Picture("mount", "mount-latencies", "The mount: latencies of 4 KiB random reads", plots_mount.latencies, TWO_CPUS.name),
    Picture("mount", "mount-latencies-not-pinned", "The same, not pinned", plots_mount.latencies, NOT_PINNED.name),
    Picture("metadata", "metadata", "Many small files beside a null FUSE file system and tmpfs", _metadata, TWO_CPUS.name),
    Picture("small", "small", "The life of small files", _small, TWO_CPUS.name),
)


def draw(results, stem):
    """Writes stem-NAME.svg for what was measured. Returns by part the pictures: (what they show, path)."""
    pictures = {}
    for picture in PICTURES:
        if results.cases(picture.part, picture.place):
            path = f"{stem}-{picture.name}.svg"
            picture.draw(results, path, picture.place)
            pictures.setdefault(picture.part, []).append((picture.words, path))
    return pictures
