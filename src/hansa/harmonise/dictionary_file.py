"""Dictionaries as YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hansa.errors import DictionaryError
from hansa.model import Dictionary, read_value
from hansa.model.yaml import parse_yaml

__all__ = ["dictionary_to_yaml", "read_dictionary"]


def read_dictionary(source: str | Path | Mapping[str, Any] | Dictionary) -> Dictionary:
    """Read a dictionary from a YAML file, YAML text, or plain data.

    Parameters
    ----------
    source : str, Path, mapping or Dictionary
        A text with a line break is YAML; one without is a path. A ``Dictionary`` is returned as it is.

    Raises
    ------
    DictionaryError
        If the file is not there, is not YAML, or a field does not fit.

    Examples
    --------
    >>> dictionary = read_dictionary('''
    ... person: patient
    ... variables:
    ...   - {name: age, type: integer, unit: years, range: [18, 100], missing: ["-9"]}
    ... ''')
    >>> dictionary["age"].missing
    ('-9',)
    """
    if isinstance(source, Dictionary):
        return source
    data = dict(source) if isinstance(source, Mapping) else _parse(_text(source))
    _check_quoted(data)
    return read_value(Dictionary, data, error=DictionaryError)


def dictionary_to_yaml(dictionary: Dictionary) -> str:
    """The dictionary as YAML that ``read_dictionary`` reads back to an equal one; defaults are left out.

    Examples
    --------
    >>> print(dictionary_to_yaml(read_dictionary({"variables": [{"name": "age", "type": "integer"}]})))
    variables:
    - name: age
      type: integer
    <BLANKLINE>
    """
    plain = dictionary.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _text(source: str | Path) -> str:
    if isinstance(source, str) and "\n" in source:
        return source
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise DictionaryError(
            "the dictionary file cannot be read",
            why="it is not there, not readable, or not UTF-8 text",
            fix="give the path of a YAML file",
            field=str(source),
        ) from None


def _parse(text: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark is not None else "the text"
        raise DictionaryError(
            "the dictionary is not YAML", why=f"{place} cannot be read", fix="correct that line"
        ) from None


def _check_quoted(data: Any) -> None:
    # YAML reads no, 010 and 1:30 as false, 8 and 90: a level or code must be text before it gets here.
    variables = data.get("variables") if isinstance(data, dict) else None
    for position, variable in enumerate(variables if isinstance(variables, list | tuple) else ()):
        for field in ("levels", "missing"):
            values = variable.get(field) if isinstance(variable, dict) else None
            if isinstance(values, list | tuple) and not all(isinstance(value, str) for value in values):
                raise DictionaryError(
                    "this dictionary cannot be read",
                    why="levels and missing codes are text, and YAML reads some of these as something else",
                    fix='put each of them in quotation marks, as in ["0", "no"]',
                    field=f"variables.{position}.{field}",
                )
