"""A table for people: text in rows and columns, and its four printed forms.

Numbers are formatted before they come here (see :mod:`hansa.client.tables.numbers`), so that HTML, LaTeX, CSV
and Word all say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Row", "TableData"]


@dataclass(frozen=True)
class Row:
    """A row: its heading, and one text per further column (none at all for empty ones).

    ``indent`` 1 puts it under the last row before it that has 0.
    """

    label: str
    cells: tuple[str, ...] = ()
    indent: int = 0


@dataclass(frozen=True)
class TableData:
    """A table as text. ``columns`` begins with the heading of the row headings; ``notes`` stand below it.

    Examples
    --------
    >>> table = TableData("Ages", ("Group", "Mean"), (Row("women", ("61.2",)), Row("men", ("58.9",))))
    >>> print(table.to_csv(), end="")
    Group,Mean
    women,61.2
    men,58.9
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert all(len(row.cells) in (0, len(self.columns) - 1) for row in self.rows)

    @property
    def is_heading(self) -> tuple[bool, ...]:
        """For each row, whether others stand under it."""
        indents = [row.indent for row in self.rows]
        return tuple(here < after for here, after in zip(indents, [*indents[1:], 0], strict=False))

    def filled(self, row: Row) -> tuple[str, ...]:
        """A row's cells, as many as there are columns for them."""
        return row.cells or ("",) * (len(self.columns) - 1)

    def to_html(self) -> str:
        """A self-contained ``<table>`` with caption, scopes and its own style; all text is escaped."""
        from hansa.client.tables.html import html_table  # the renderers import this module

        return html_table(self)

    def to_latex(self) -> str:
        """A ``table`` environment for the booktabs package; all text is escaped."""
        from hansa.client.tables.latex import latex_table  # the renderers import this module

        return latex_table(self)

    def to_csv(self) -> str:
        """Comma-separated text; a cell that a spreadsheet would take for a formula is marked as text."""
        from hansa.client.tables.delimited import csv_table  # the renderers import this module

        return csv_table(self)

    def to_word(self, path: str | Path) -> Path:
        """Write a Word document that holds the table; its path."""
        from hansa.client.tables.word import write_word_table  # the renderers import this module

        return write_word_table(self, Path(path))

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        """The table in columns of characters."""
        from hansa.client.tables.text import text_table  # the renderers import this module

        return text_table(self)
