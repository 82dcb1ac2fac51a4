"""A table in columns of characters, for a terminal."""

from __future__ import annotations

from hansa.client.tables.table import TableData

__all__ = ["text_table"]


def text_table(table: TableData) -> str:
    """Title, columns, rows and notes; numbers to the right."""
    body = [["  " * row.indent + row.label, *table.filled(row)] for row in table.rows]
    lines = [list(table.columns), *body]
    widths = [max(len(line[place]) for line in lines) for place in range(len(table.columns))]
    printed = [_line(line, widths) for line in lines]
    rule = "─" * max(len(line) for line in printed)
    return "\n".join([table.title, rule, printed[0], rule, *printed[1:], rule, *table.notes])


def _line(cells: list[str], widths: list[int]) -> str:
    label = cells[0].ljust(widths[0])
    return "  ".join([label, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]).rstrip()
