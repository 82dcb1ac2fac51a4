"""A table as HTML: one ``<table>`` that needs nothing around it."""

from __future__ import annotations

from html import escape
from itertools import groupby

from hansa.client.tables.table import Row, TableData

__all__ = ["html_table"]

_FONT = "font-family:system-ui,sans-serif;font-size:14px;line-height:1.35"
_TABLE = f"border-collapse:collapse;{_FONT};border-top:2px solid;border-bottom:2px solid;margin:0.5em 0"
_CAPTION = "caption-side:top;text-align:left;font-weight:600;padding:0 0 0.4em"
_HEAD = "border-bottom:1px solid;padding:0.3em 0.75em;vertical-align:bottom;font-weight:600"
_CELL = "padding:0.15em 0.75em;font-variant-numeric:tabular-nums;white-space:nowrap"
_NOTES = "padding:0.4em 0.75em 0.3em;font-size:12px;text-align:left;border-top:1px solid;white-space:normal"


def html_table(table: TableData) -> str:
    """The table with its caption, row and column scopes, and notes in the foot.

    Styles stand on the elements, because notebooks and mail programs drop style sheets.
    """
    return "\n".join(
        [
            f'<table style="{_TABLE}">',
            f'<caption style="{_CAPTION}">{escape(table.title)}</caption>',
            _head(table),
            *_bodies(table),
            *_foot(table),
            "</table>",
        ]
    )


def _head(table: TableData) -> str:
    cells = [
        f'<th scope="col" style="{_HEAD};text-align:{"left" if place == 0 else "right"}">{escape(column)}</th>'
        for place, column in enumerate(table.columns)
    ]
    return f"<thead><tr>{''.join(cells)}</tr></thead>"


def _bodies(table: TableData) -> list[str]:
    """One ``<tbody>`` per heading, so that ``scope="rowgroup"`` says which rows it stands over."""
    sections = iter(_sections(table.rows))
    return ["<tbody>\n" + "\n".join(_row(row, table) for row in rows) + "\n</tbody>" for rows in sections]


def _sections(rows: tuple[Row, ...]) -> list[list[Row]]:
    starts = 0
    numbered = []
    for row in rows:
        starts += not row.indent
        numbered.append((starts if not row.cells or row.indent else 0, row))
    return [[row for _, row in group] for _, group in groupby(numbered, key=lambda pair: pair[0])]


def _row(row: Row, table: TableData) -> str:
    left = f"{_CELL};text-align:left;font-weight:{400 if row.cells else 600};padding-left:{0.75 + 1.25 * row.indent}em"
    if not row.cells:
        heading = f'<th scope="rowgroup" colspan="{len(table.columns)}" style="{left}">{escape(row.label)}</th>'
        return f"<tr>{heading}</tr>"
    cells = "".join(f'<td style="{_CELL};text-align:right">{escape(cell)}</td>' for cell in row.cells)
    return f'<tr><th scope="row" style="{left}">{escape(row.label)}</th>{cells}</tr>'


def _foot(table: TableData) -> list[str]:
    if not table.notes:
        return []
    notes = "<br>".join(escape(note) for note in table.notes)
    return [f'<tfoot><tr><td colspan="{len(table.columns)}" style="{_NOTES}">{notes}</td></tr></tfoot>']
