from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import docx
import pytest
from client_cases import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from hansa.client.tables import Row, TableData
from hansa.client.tables.latex import escape_latex

TABLE = TableData(
    f"Title {HOSTILE}",
    ("Site", "Estimate", "p"),
    (
        Row(HOSTILE),
        Row("age", ("1.06 (1.04–1.08)", "<0.001"), 1),
        Row("sex", ("−0.5", "–"), 1),
        Row("=2+5", ("12,345", "+cmd|calc")),
    ),
    (f"note {HOSTILE}",),
)

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


class Reader(HTMLParser):
    """Tags and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def test_html_shows_hostile_text_and_never_runs_it() -> None:
    page = read(TABLE.to_html())
    assert page.text.count(HOSTILE) == 3
    assert {tag for tag, _ in page.tags} <= {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "br"}


def test_html_has_a_caption_and_a_scope_for_every_heading() -> None:
    page = read(TABLE.to_html())
    scopes = [attributes.get("scope") for tag, attributes in page.tags if tag == "th"]
    assert scopes == ["col", "col", "col", "rowgroup", "row", "row", "row"]
    assert [tag for tag, _ in page.tags][1] == "caption"


@given(texts)
def test_html_gives_any_text_back(text: str) -> None:
    page = read(TableData(text, ("a",), (Row(text),)).to_html())
    assert page.text.count(text) >= 2


@given(texts)
def test_latex_leaves_no_character_with_a_meaning(text: str) -> None:
    written = escape_latex(text)
    for known in (r"\textbackslash{}", r"\textasciicircum{}", r"\textasciitilde{}", r"\textless{}", r"\textgreater{}"):
        written = written.replace(known, "")
    for known in (r"\textbar{}", r"\textquotedbl{}", r"\textasciigrave{}", r"\textquotesingle{}"):
        written = written.replace(known, "")
    written = re.sub(r"\\textsuperscript\{(\d|\$-\$)\}|\$-\$|\$\\[a-z]+\$|\{-\}|\\[{}$&#%_]", "", written)
    assert not set(written) & set("\\{}$&#%_^~")


def test_latex_rows_have_as_many_cells_as_columns() -> None:
    lines = TABLE.to_latex().splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in body] == [2, 2, 2, 2]
    assert r"\toprule" in lines


def test_a_latex_cell_in_brackets_is_no_optional_argument() -> None:
    written = TableData("t", ("a", "b"), (Row("x", ("1",)), Row("[3cm]", ("2",)))).to_latex()
    assert "{[3cm]} & 2" in written


def test_csv_marks_what_a_spreadsheet_would_run() -> None:
    rows = list(csv.reader(io.StringIO(TABLE.to_csv())))
    assert rows[0] == ["Site", "Estimate", "p"]
    assert rows[3] == ["sex", "-0.5", "–"]
    assert rows[4] == ["'=2+5", "12345", "'+cmd|calc"]


@given(texts)
def test_no_csv_cell_begins_a_formula(text: str) -> None:
    row = next(iter(csv.reader(io.StringIO(TableData("", (text,), ()).to_csv(), newline=""))), [""])
    assert not row[0].startswith(("=", "+", "@"))
    assert not re.match(r"-.*[A-Za-z(].*[(|]", row[0])


def test_word_holds_a_real_table_with_the_same_cells(tmp_path: Path) -> None:
    path = TABLE.to_word(tmp_path / "table.docx")
    document = docx.Document(str(path))
    cells = [[cell.text for cell in row.cells] for row in document.tables[0].rows]
    assert cells[0] == list(TABLE.columns)
    assert cells[1:] == [[row.label, *TABLE.filled(row)] for row in TABLE.rows]
    assert document.paragraphs[0].text == TABLE.title
    assert document.paragraphs[-1].text == TABLE.notes[0]


def test_word_leaves_out_what_xml_forbids(tmp_path: Path) -> None:
    path = TableData("t\x00\x0b", ("a\x01",), (Row("b\ufffe\ud800"),)).to_word(tmp_path / "table.docx")
    assert docx.Document(str(path)).tables[0].rows[0].cells[0].text == "a"


def test_characters_are_aligned_in_text() -> None:
    lines = str(TableData("t", ("a", "n"), (Row("long label", ("1",)), Row("b", ("100",))))).splitlines()
    assert lines[4] == "long label    1"
    assert lines[5] == "b           100"


def test_a_row_of_another_width_is_no_table() -> None:
    with pytest.raises(AssertionError):
        TableData("t", ("a", "b"), (Row("x", ("1", "2")),))
