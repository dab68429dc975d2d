"""What people see: tables with columns that are as wide as they need, and nothing that a terminal obeys."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Given a heading and rows of cells, as many in each, return lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def printable(text: str) -> str:
    """Return a text for a terminal: what moves the cursor or turns the line round is shown as Python writes it. A file may
    hold anything."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
