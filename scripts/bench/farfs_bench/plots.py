"""Pictures of the figures, by gnuplot: SVG files beside the tables."""
import subprocess

from .failure import Failure
from .settings import SIZES, TWO_CPUS

HEAD = """set terminal svg size 900,{height} font "sans,13" background "white"
set output "{path}"
set title "{title}" noenhanced
set grid ytics lc rgb "#dddddd"
set key outside right top noenhanced
set border 3
set tics nomirror
set linetype 9 lc rgb "#999999"
"""
BARS = """set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set xtics rotate by -20 noenhanced
set yrange [0:*]
set ylabel "{what}"
"""
MOUNT_RATIOS = {"shm / null": ("shm", "null"), "shm ring / null ring": ("shm ring", "null ring"), "shm ring / null": ("shm ring", "null"),
                "tcp / null": ("tcp", "null"), "tcp ring / null ring": ("tcp ring", "null ring")}
KEY_VALUE = {"FarFS shm, one-sided": "far shm warm-get", "FarFS shm, server asked": "far shm cold-get", "Redis, unix socket": "redis unix get",
             "FarFS tcp": "far tcp warm-get", "Redis tcp": "redis tcp get", "memcached tcp": "memcached tcp get"}
QUANTILES = {"p50": "median", "p99": "99 %", "p99.9": "99.9 %"}


def _cell(value):
    return "NaN" if value is None else f"{value:.6g}"


def _quoted(text):
    return '"' + text.replace('"', "'") + '"'


def _data(columns, rows):
    """A data block of gnuplot's: a head line, then a line a row."""
    lines = ["$data << EOD", " ".join(map(_quoted, ["-", *columns]))]
    lines += [" ".join([str(name) if isinstance(name, int) else _quoted(name), *map(_cell, cells)]) for name, cells in rows]
    return "\n".join([*lines, "EOD", ""])


def _plot(columns, style):
    return "plot " + ", ".join(f"$data using {number + 2}{style} title columnheader({number + 2})" for number in range(len(columns))) + "\n"


def _draw(text):
    result = subprocess.run(["gnuplot"], input=text, capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure("gnuplot: " + result.stderr.strip())


def _ratio_bars(results, path):
    place = TWO_CPUS.name
    workloads = list(dict.fromkeys(key[2] for key in results.samples if key[0] == "mount"))

    def ratio(workload, over, under):
        spread = results.ratio(("mount", place, workload, over, "ops"), ("mount", place, workload, under, "ops"))
        return spread.median if spread else None

    rows = [(workload, [ratio(workload, *pair) for pair in MOUNT_RATIOS.values()]) for workload in workloads]
    _draw(HEAD.format(path=path, height=460, title="The mount beside a null FUSE file system, " + place) + BARS.format(what="operations a second / the null file system's")
          + _data(MOUNT_RATIOS, rows) + "set arrow from graph 0,first 1 to graph 1,first 1 nohead dt 2\n" + _plot(MOUNT_RATIOS, ":xtic(1)"))


def _by_size(results, path):
    rows = [(size, [_rate(results.median("kv", TWO_CPUS.name, name, subject, "p50")) for subject in KEY_VALUE.values()]) for name, size in SIZES.items()]
    ticks = ", ".join(f'"{name}" {size}' for name, size in SIZES.items())
    _draw(HEAD.format(path=path, height=420, title="Gets by key, one after the other, " + TWO_CPUS.name) + f"set logscale xy\nset xtics ({ticks})\n"
          'set format y "%.0s %cB/s"\nset ylabel "bytes a second (size / median latency)"\n' + _data(KEY_VALUE, rows)
          + "plot " + ", ".join(f"$data using 1:(column({number + 2})*column(1)) with linespoints lw 2 title columnheader({number + 2})"
                                for number in range(len(KEY_VALUE))) + "\n")


def _rate(nanoseconds):
    return None if nanoseconds is None else 1e9 / nanoseconds


def _latencies(results, path):
    rows = [(label, [_micro(results.median("kv", TWO_CPUS.name, "4 KiB", subject, metric)) for metric in QUANTILES]) for label, subject in KEY_VALUE.items()]
    _draw(HEAD.format(path=path, height=460, title="Latency of a get of 4 KiB, " + TWO_CPUS.name) + BARS.format(what="microseconds")
          + "set logscale y\nset yrange [0.05:*]\n" + _data(QUANTILES.values(), rows) + _plot(QUANTILES, ":xtic(1)"))


def _micro(nanoseconds):
    return None if nanoseconds is None else nanoseconds / 1000


def _small(results, path):
    names = [name for name in dict.fromkeys(key[3] for key in results.samples if key[0] == "small")]
    steps = list(dict.fromkeys(key[2] for key in results.samples if key[0] == "small"))
    rows = [(step, [_micro(results.median("small", TWO_CPUS.name, step, name, "ns")) for name in names]) for step in steps]
    _draw(HEAD.format(path=path, height=460, title="The life of small files, " + TWO_CPUS.name) + BARS.format(what="microseconds a file")
          + "set logscale y\nset yrange [0.5:*]\n" + _data(names, rows) + _plot(names, ":xtic(1)"))


PLOTS = {  # by the part that they show: what is said of them, and how they are drawn
    "kv": [("by-size", "Gets by key: throughput by size", _by_size), ("latencies", "Gets by key: latencies", _latencies)],
    "mount": [("mount", "The mount beside a null FUSE file system", _ratio_bars)],
    "small": [("small", "The life of small files", _small)],
}


def draw(results, stem):
    """Writes stem-NAME.svg for what was measured. Returns by part the pictures: (what they show, path)."""
    pictures = {}
    for part, plots in PLOTS.items():
        if not results.ran(part):
            continue
        for name, words, function in plots:
            path = f"{stem}-{name}.svg"
            function(results, path)
            pictures.setdefault(part, []).append((words, path))
    return pictures
