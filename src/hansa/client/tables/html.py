"""A table as HTML: one ``<table>`` that needs nothing around it."""

from __future__ import annotations

from html import escape

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
    bodies: list[list[str]] = [[]]
    for row, heading in zip(table.rows, table.is_heading, strict=True):
        if heading and bodies[-1]:
            bodies.append([])
        bodies[-1].append(_row(row, table, heading=heading))
    return ["<tbody>\n" + "\n".join(rows) + "\n</tbody>" for rows in bodies]


def _row(row: Row, table: TableData, *, heading: bool) -> str:
    weight = 600 if heading else 400
    left = f"{_CELL};text-align:left;font-weight:{weight};padding-left:{0.75 + 1.25 * row.indent:g}em"
    scope = "rowgroup" if heading else "row"
    cells = "".join(f'<td style="{_CELL};text-align:right">{escape(cell)}</td>' for cell in table.filled(row))
    return f'<tr><th scope="{scope}" style="{left}">{escape(row.label)}</th>{cells}</tr>'


def _foot(table: TableData) -> list[str]:
    if not table.notes:
        return []
    notes = "<br>".join(escape(note) for note in table.notes)
    return [f'<tfoot><tr><td colspan="{len(table.columns)}" style="{_NOTES}">{notes}</td></tr></tfoot>']
