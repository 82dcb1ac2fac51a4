"""A table as comma-separated text."""

from __future__ import annotations

import csv
import io
import re

from hansa.client.tables.table import TableData

__all__ = ["csv_table"]

_GROUPED = re.compile(r"\b\d{1,3}(,\d{3})+\b")
_NUMERIC = re.compile(r"[-\d.,() to×%⁻⁰¹²³⁴⁵⁶⁷⁸⁹–]+")


def csv_table(table: TableData) -> str:
    """Columns and rows; headings of rows keep their place, with empty cells.

    A cell that a spreadsheet would run as a formula gets an apostrophe (OWASP, CSV injection). Minus signs are
    hyphens and thousands are not grouped here, so that numbers are read as numbers.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([_text(column) for column in table.columns])
    for row in table.rows:
        writer.writerow([_text(cell) for cell in (row.label, *table.filled(row))])
    return written.getvalue()


def _text(cell: str) -> str:
    plain = _GROUPED.sub(lambda number: number[0].replace(",", ""), cell.replace("−", "-"))
    runs = plain.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMERIC.fullmatch(plain)
    return f"'{plain}" if runs else plain
