"""A table as LaTeX, for the booktabs package."""

from __future__ import annotations

from hansa.client.tables.table import Row, TableData

__all__ = ["escape_latex", "latex_table"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "-": "{-}",  # two in a row would become a dash
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    **{character: rf"\textsuperscript{{{digit}}}" for character, digit in zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)},
    "⁻": r"\textsuperscript{$-$}",
    "τ": r"$\tau$",
    "χ": r"$\chi$",
    "\n": " ",
    "\r": " ",
}


def escape_latex(text: str) -> str:
    r"""The text with every character that LaTeX would act on written so that it prints.

    Examples
    --------
    >>> print(escape_latex("5 % of R&D, \\input{x}"))
    5 \% of R\&D, \textbackslash{}input\{x\}
    """
    return "".join(_SPECIAL.get(character, character) for character in text)


def latex_table(table: TableData) -> str:
    """The table as a ``table`` environment; it needs ``booktabs`` and ``textcomp`` (part of LaTeX since 2020)."""
    width = len(table.columns)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(table.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        " & ".join(_cell(column) for column in table.columns) + r" \\",
        r"\midrule",
        *(_row(row, table) for row in table.rows),
        r"\bottomrule",
        *(rf"\multicolumn{{{width}}}{{l}}{{\footnotesize {escape_latex(note)}}} \\" for note in table.notes),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """An optional argument of the line break before it must not be read from a cell that begins with [."""
    return f"{{{escape_latex(text)}}}" if text.startswith(("[", "*")) else escape_latex(text)


def _row(row: Row, table: TableData) -> str:
    label = r"\quad " * row.indent + _cell(row.label)
    return " & ".join([label, *(_cell(cell) for cell in table.filled(row))]) + r" \\"
