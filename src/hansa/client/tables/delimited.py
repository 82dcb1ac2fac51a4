"""A table as comma-separated text."""

from __future__ import annotations

import csv
import io
import re

from hansa.client.tables.table import TableData

__all__ = ["csv_table"]

_NUMBER = re.compile(r"[-+]?\d[\d.,]*")


def csv_table(table: TableData) -> str:
    """Columns and rows; headings of rows keep their place, with empty cells.

    A cell that a spreadsheet would run as a formula gets an apostrophe (OWASP, CSV injection); minus signs
    are hyphens here, so that numbers are read as numbers.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    width = len(table.columns) - 1
    writer.writerow([_text(column) for column in table.columns])
    for row in table.rows:
        writer.writerow([_text(cell) for cell in (row.label, *(row.cells or ("",) * width))])
    return written.getvalue()


def _text(cell: str) -> str:
    plain = cell.replace("−", "-")
    runs = plain.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMBER.match(plain)
    return f"'{plain}" if runs else plain
