"""Tables for people, from one frozen form to HTML, LaTeX, CSV, Word and plain text."""

from hansa.client.tables.table import Row, TableData

__all__ = ["Row", "TableData"]
