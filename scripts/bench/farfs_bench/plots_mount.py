"""Pictures of the mount's figures, for one placement each."""
from . import gnuplot
from .workloads import BUFFERED, FEWER, UNCACHED, WORKLOADS

RATIOS = {"shm / null": ("shm", "null"), "shm ring / null ring": ("shm ring", "null ring"), "shm ring / null": ("shm ring", "null"),
          "tcp / null": ("tcp", "null"), "tcp ring / null ring": ("tcp ring", "null ring")}
READS = {"4 KiB": ("4 KiB random read", 1 << 12), "128 KiB": ("128 KiB sequential read", 1 << 17), "1 MiB": ("1 MiB sequential read", 1 << 20)}
PERCENTILES = (10, 25, 50, 75, 90, 99, 99.9, 99.99)  # as the job file has them


def _names(results):
    measured = results.subjects("mount")
    return [name for name in UNCACHED if name in measured]


def ratios(results, path, place):
    measured = results.cases("mount", place)
    # More than the essential ones could not be told apart.
    cases = [workload.label for workload in WORKLOADS if workload.is_essential and workload.file != BUFFERED and workload.label in measured]

    def ratio(case, over, under):
        spread = results.ratio(("mount", place, case, over, "ops"), ("mount", place, case, under, "ops"))
        return spread.median if spread else None

    rows = [(case, [ratio(case, *pair) for pair in RATIOS.values()]) for case in cases]
    gnuplot.bars(path, "The mount beside a null FUSE file system, " + place, "operations a second / the null file system's", RATIOS, rows, mark=1)


def by_size(results, path, place):
    names = [name for name in FEWER if name in results.subjects("mount")]
    rows = [(block, [results.median("mount", place, case, name, "bytes") for name in names]) for case, block in READS.values()]
    gnuplot.lines(path, "Reads past the page cache by size, one after the other, " + place, "bytes a second", names, rows,
                  {label: block for label, (_, block) in READS.items()}, 'set logscale xy\nset format y "%.0s %cB/s"\n')


def latencies(results, path, place):
    names = _names(results)

    def micro(name, percentile):
        value = results.median("mount", place, "4 KiB random read", name, f"p{percentile:g}")
        return None if value is None else value / 1000

    rows = [(number, [micro(name, percentile) for name in names]) for number, percentile in enumerate(PERCENTILES)]
    gnuplot.lines(path, "4 KiB random reads: the time that so many of them took at most, " + place, "microseconds", names, rows,
                  {f"{percentile:g} %": number for number, percentile in enumerate(PERCENTILES)}, "set logscale y\n")
