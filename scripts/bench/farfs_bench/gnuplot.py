"""Draws bars and lines by gnuplot, as SVG files. A row is a name, or a number to draw it at, and a figure for each column: None where there is none."""
import subprocess

from .failure import Failure

HEAD = """set terminal svg size 900,{height} font "sans,13" background "white"
set output "{path}"
set title "{title}" noenhanced
set ylabel "{what}"
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
"""


def bars(path, title, what, columns, rows, least=0, is_log=False, mark=None):
    """A group of bars for each row; a dashed line at `mark`."""
    scale = f"set logscale y\nset yrange [{least}:*]\n" if is_log else f"set yrange [{least}:*]\n"
    line = f"set arrow from graph 0,first {mark} to graph 1,first {mark} nohead dt 2\n" if mark else ""
    plots = (f"$data using {number}:xtic(1) title columnheader({number})" for number in range(2, len(columns) + 2))
    _draw(HEAD.format(path=path, height=500, title=title, what=what) + BARS + scale + _data(columns, rows) + line + "plot " + ", ".join(plots) + "\n")


def lines(path, title, what, columns, rows, ticks, axes):
    """A line for each column. `ticks` names places on the x axis; `axes` is what else gnuplot is to know of them."""
    names = ", ".join(f"{_quoted(name.replace('%', '%%'))} {place}" for name, place in ticks.items())  # gnuplot takes them for formats
    plots = (f"$data using 1:{number} with linespoints lw 2 title columnheader({number})" for number in range(2, len(columns) + 2))
    _draw(HEAD.format(path=path, height=420, title=title, what=what) + f"set xtics ({names})\n" + axes + _data(columns, rows) + "plot " + ", ".join(plots) + "\n")


def _cell(value):
    return "NaN" if value is None else f"{value:.6g}"


def _quoted(text):
    return '"' + text.replace('"', "'") + '"'


def _data(columns, rows):
    """A data block of gnuplot's: a head line, then a line a row."""
    text = [" ".join(map(_quoted, ["-", *columns]))]
    text += [" ".join([_quoted(name) if isinstance(name, str) else str(name), *map(_cell, cells)]) for name, cells in rows]
    return "\n".join(["$data << EOD", *text, "EOD", ""])


def _draw(text):
    result = subprocess.run(["gnuplot"], input=text, capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure("gnuplot: " + result.stderr.strip())
