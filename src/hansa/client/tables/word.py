"""A table as a Word document, a real table with a heading row that repeats on each page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hansa.client.tables.table import TableData

__all__ = ["write_word_table"]


def write_word_table(table: TableData, path: Path) -> Path:
    """Write the document. The format has no place for characters that XML forbids; they are left out."""
    from docx import Document  # 0.2 s that only this format needs

    document = Document()
    document.core_properties.title = _printable(table.title)
    document.add_paragraph(_printable(table.title), style="Caption")
    grid = document.add_table(rows=0, cols=len(table.columns))
    _add(grid, list(table.columns), indent=0, bold=True)
    _repeat_as_header(grid.rows[0])
    for row, heading in zip(table.rows, table.is_heading, strict=True):
        _add(grid, [row.label, *table.filled(row)], indent=row.indent, bold=heading)
    _rule(grid)
    for note in table.notes:
        document.add_paragraph(_printable(note)).runs[0].font.size = _points(8)
    document.save(str(path))
    return path


def _points(size: float) -> Any:
    from docx.shared import Pt  # as above

    return Pt(size)


def _add(grid: Any, texts: list[str], *, indent: int, bold: bool) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH  # as above

    cells = grid.add_row().cells
    for place, text in enumerate(texts):
        paragraph = cells[place].paragraphs[0]
        run = paragraph.add_run(_printable(text))
        run.bold = bold
        run.font.size = _points(9)
        paragraph.paragraph_format.space_after = _points(1)
        paragraph.paragraph_format.left_indent = _points(12 * indent if place == 0 else 0)
        paragraph.alignment = WD_ALIGN_PARAGRAPH.LEFT if place == 0 else WD_ALIGN_PARAGRAPH.RIGHT


def _repeat_as_header(row: Any) -> None:
    from docx.oxml import OxmlElement  # as above

    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))  # python-docx has no public call for it


def _rule(grid: Any) -> None:
    """Lines above and below, and under the heading; none between columns."""
    for cell in grid.rows[0].cells:
        _border(cell, top=12, bottom=6)
    for cell in grid.rows[-1].cells:
        _border(cell, bottom=12)


def _border(cell: Any, **eighths_of_points: int) -> None:
    from docx.oxml import OxmlElement  # as above
    from docx.oxml.ns import qn  # as above

    borders = OxmlElement("w:tcBorders")
    for edge, size in eighths_of_points.items():
        line = OxmlElement(f"w:{edge}")
        line.set(qn("w:val"), "single")
        line.set(qn("w:sz"), str(size))
        borders.append(line)
    cell._tc.get_or_add_tcPr().append(borders)


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
