"""Markdown: numbers as people read them, and tables of them."""


def number(value):
    """Three digits or so."""
    if value is None:
        return ""
    if value == int(value) and value < 1000:
        return str(int(value))
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def micro(nanoseconds):
    return "" if nanoseconds is None else number(nanoseconds / 1000)


def spread(value, unit=""):
    """A median with its least and most; a number alone; nothing for what was not measured."""
    if value is None:
        return ""
    if not hasattr(value, "median"):
        return number(value) + unit
    return number(value.median) + unit + ("" if value.least == value.most else f" ({number(value.least)}..{number(value.most)})")


def around(value, scale=1):
    """A median, and half the way from the least to the most in parts of it."""
    if value is None:
        return ""
    percent = 50 * (value.most - value.least) / value.median if value.median else 0
    return number(value.median / scale) + (f" ±{percent:.0f} %" if percent else "")


def median(value):
    return "" if value is None else number(value.median)


def table(head, rows):
    """Rows without any figure are left out: their subject did not run."""
    rows = [row for row in rows if any(row[1:])]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""] if rows else []
