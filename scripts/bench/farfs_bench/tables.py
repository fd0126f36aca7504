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
    return f"{number(value.median)}{unit} ({number(value.least)}..{number(value.most)})"


def median(value):
    return "" if value is None else number(value.median)


def table(head, rows):
    """Rows without any figure are left out: their subject did not run."""
    rows = [row for row in rows if any(row[1:])]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""] if rows else []
