"""The reference pages name all that there is: commands, settings, schemas, errors, methods; and links resolve."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args, get_type_hints

import click
import pytest

import hansa
import hansa.stats
from hansa import errors
from hansa.cli.main import hansa as command_line
from hansa.examples import heart, heart_dictionary
from hansa.formula.functions import EXPRESSION_FUNCTIONS, TERM_FUNCTIONS
from hansa.governance import Facts, Policy
from hansa.governance.rules import Rule, RuleBase
from hansa.hub.api import OidcSettings
from hansa.hub.config import HubConfig
from hansa.model import Analysis, Derivation, Dictionary, Party, Places, Purpose, Study, TargetTrial, Value, Variable
from hansa.node.config import Compute, Limits, NodeConfig
from hansa.node.context import NodeSettings
from hansa.privacy import Thresholds
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import Cohorts, Method
from hansa.stats.plain import Result

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "hansa"
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS: tuple[type[Value], ...] = (
    *(Thresholds, Policy, Study, TargetTrial, Analysis, Purpose, Party, Places, Derivation, Dictionary, Variable),
    *(NodeConfig, Limits, Compute, HubConfig, OidcSettings),
)
UNREAD = {"flow": {"stages"}}
"""Arguments of methods that do not themselves name the arguments they take."""


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """What stands under a heading of any depth, to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", page(name), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{name}.md has no heading {heading}"
    return found.group(1)


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows, heads and rules left out."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def words(text: str) -> set[str]:
    """All that stands between backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def first_cells(text: str) -> set[str]:
    return {word for cells in rows(text) for word in words(cells[0])}


# --- commands -----------------------------------------------------------------------------------------------


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, f"{path} {name}")


COMMANDS = dict(commands(command_line, "hansa"))


def _names(option: click.Parameter) -> list[str]:
    """An option's spellings; an argument's name in capitals, as ``--help`` has it."""
    return list(option.opts) if option.opts[0][0] == "-" else [str(option.name).upper()]


@pytest.mark.parametrize("path", COMMANDS)
def test_each_command_names_its_options_and_no_others(path: str) -> None:
    known = {name for option in COMMANDS[path].params for name in _names(option)}
    assert first_cells(section("commands", path)) - {"-h", "--help"} == known


def test_no_command_is_documented_that_is_gone() -> None:
    headings = re.findall(r"^#+ (hansa.*)$", page("commands"), re.MULTILINE)
    assert set(headings) == set(COMMANDS)


def lines_typed(file: Path) -> Iterator[str]:
    """Commands of ours in blocks of a page that are not run where the page is checked."""
    shown = re.compile(r"^```(?:text|console machine=\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for body in shown.findall(file.read_text(encoding="utf-8")):
        for line in body.replace("\\\n", " ").splitlines():
            if line.removeprefix("$ ").startswith("hansa "):
                yield line.removeprefix("$ ")


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_commands_that_pages_only_show_exist_with_their_options(file: Path) -> None:
    for line in lines_typed(file):
        typed = line.split("  #")[0].split()
        path = max((name for name in COMMANDS if typed[: len(name.split())] == name.split()), key=len)
        assert not isinstance(COMMANDS[path], click.Group) or "--help" in typed, f"there is no command {line}"
        known = {name for option in COMMANDS[path].params for name in option.opts}
        assert {word for word in typed if word.startswith("--")} - {"--help"} <= known, line


# --- settings -----------------------------------------------------------------------------------------------


def test_each_setting_is_documented_and_no_other() -> None:
    for kind in SETTINGS:
        found = first_cells(section("thresholds-and-settings", kind.__name__))
        assert found == set(kind.model_fields), kind.__name__
    found = first_cells(section("thresholds-and-settings", "NodeSettings"))
    assert found == {field.name for field in dataclasses.fields(NodeSettings)}


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_defaults_that_are_numbers_or_booleans_are_those_of_the_code(kind: type[Value]) -> None:
    stated = {
        min(words(cells[0])): cells[1].strip("`")
        for cells in rows(section("thresholds-and-settings", kind.__name__))[1:]
    }
    for name, field in kind.model_fields.items():
        if field.is_required() and name != "id":
            assert stated[name] == "needed", name
        elif isinstance(field.default, bool | int | float):
            assert stated[name] == json.dumps(field.default), name


def rule_kinds() -> dict[str, type[RuleBase]]:
    kinds: tuple[type[RuleBase], ...] = get_args(get_args(Rule)[0])
    return {get_args(kind.model_fields["rule"].annotation)[0]: kind for kind in kinds}


def test_each_rule_and_its_fields_are_documented() -> None:
    stated = {min(words(cells[0])): words(cells[1]) for cells in rows(section("thresholds-and-settings", "Rules"))[1:]}
    assert set(stated) == set(rule_kinds())
    for name, kind in rule_kinds().items():
        assert set(kind.model_fields) - {"rule", "name"} <= stated[name], name


def test_each_fact_is_documented() -> None:
    facts = {field.alias for field in Facts.model_fields.values()}
    assert words(" ".join(" ".join(cells) for cells in rows(section("thresholds-and-settings", "Facts")))) >= facts


def test_each_field_of_a_league_file_is_documented() -> None:
    code = (SOURCE / "cli" / "league.py").read_text(encoding="utf-8")
    read = set(re.findall(r'(?:parts|entry|content)(?:\.get\(|\[)"(\w+)"', code))
    assert {"nodes", "data", "dictionary", "min_nodes"} <= read
    assert read <= words(section("commands", "League files"))


# --- results ------------------------------------------------------------------------------------------------


def schemas_of_results() -> dict[str, type[Result]]:
    for module in pkgutil.walk_packages(hansa.stats.__path__, "hansa.stats."):
        importlib.import_module(module.name)
    return {kind.schema: kind for kind in Result.__subclasses__() if kind.__module__.startswith("hansa.stats.")}


def field_names(kind: type[Any]) -> set[str]:
    """The fields of a record and of all records within it."""
    hints = get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}
    return names.union(*(field_names(part) for name in names for part in records_in(hints[name])))


def records_in(hint: Any) -> list[type[Any]]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return [hint]
    return [record for part in get_args(hint) for record in records_in(part)]


def schemas_written_in_place() -> dict[str, set[str]]:
    """Results that are plain dictionaries in the code: every dictionary with a constant ``schema``."""
    found = {}
    for file in SOURCE.rglob("*.py"):
        if "testing" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                pairs = {
                    key.value: value
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant)
                }
                schema = pairs.get("schema")
                if isinstance(schema, ast.Constant) and re.fullmatch(r"[a-z0-9-]+/\d+\.\d+", str(schema.value)):
                    found[str(schema.value)] = {str(key) for key in pairs} - {"schema"}
    return found


def part_about(schema: str) -> str:
    """The section whose heading is the schema, else the one that names it."""
    parts = re.split(r"^(?=## )", page("results"), flags=re.MULTILINE)
    found = [part for part in parts if part.startswith(f"## {schema}\n")] or [
        part for part in parts if f"`{schema}`" in part
    ]
    assert found, f"results.md says nothing of {schema}"
    return found[0]


def test_each_schema_of_a_method_is_documented_with_its_fields() -> None:
    schemas = schemas_of_results()
    assert {"describe/1.0", "glm/1.1", "meta/1.1", "stages/1.0"} <= set(schemas)
    for schema, kind in schemas.items():
        common = words(part_about("describe/1.0")) if "as in describe" in part_about(schema) else set()
        assert field_names(kind) <= words(part_about(schema)) | common, schema


def test_each_schema_written_in_place_is_documented_with_its_fields() -> None:
    schemas = schemas_written_in_place()
    assert {"provenance/1.0", "sites/1.0", "subgroups/1.0", "not-estimable/1.0"} <= set(schemas)
    for schema, names in schemas.items():
        assert names <= words(part_about(schema)), schema


@pytest.fixture(scope="module")
def league() -> hansa.LocalLeague:
    return hansa.local(heart(), heart_dictionary())


def test_summary_columns_and_proof_fields_are_those_documented(league: hansa.LocalLeague) -> None:
    views = [
        league.describe(["age"]),
        league.histogram("age", bins=4),
        league.flow(["age > 50"]),
        league.glm("disease ~ age", family="binomial"),
    ]
    for view in views:
        assert set(view.summary.columns) <= words(part_about(view.schema)), view.schema
    proof = json.loads(views[0].proof_json())
    assert set(proof) <= words(part_about(proof["format"]))
    assert set(proof["provenance"]) <= words(part_about("provenance/1.0"))


# --- errors -------------------------------------------------------------------------------------------------


def test_each_error_stands_with_its_code_and_statuses() -> None:
    table = {min(words(cells[0])): cells for cells in rows(page("errors").split("\n## ")[0])[1:]}
    head = rows(page("errors"))[0]
    places = [head.index(name) for name in ("code", "exit status", "HTTP status")]
    assert set(table) == set(errors.__all__)
    for name, cells in table.items():
        kind: type[errors.HansaError] = getattr(errors, name)
        stated = [cells[place] for place in places]
        assert stated == [f"`{kind.code}`", str(kind.exit_status), str(kind.http_status)], name


# --- methods ------------------------------------------------------------------------------------------------


def arguments_of(method: Method) -> set[str]:
    """What the method says that it takes when it is given an argument that it does not have."""
    if method.name in UNREAD:
        return UNREAD[method.name]
    nobody = cast(Cohorts, SimpleNamespace(variables={}))
    with pytest.raises(errors.StudyError) as caught:
        method.plan(nobody, {"no_such_argument": 1})
    assert caught.value.field == "no_such_argument"
    return set(caught.value.fix.removeprefix("it takes ").split(", "))


@pytest.mark.parametrize("name", catalogue())
def test_each_method_is_documented_with_its_arguments_and_no_others(name: str) -> None:
    text = section("methods", name)
    assert first_cells(text) - {"argument"} == arguments_of(catalogue()[name])
    for citation in catalogue()[name].citations:
        assert citation in text


@pytest.mark.parametrize("name", catalogue())
def test_each_step_of_a_method_is_documented_with_what_it_sends(name: str) -> None:
    sent = {(step.name, output.disclosure, output.name) for step in catalogue()[name].steps for output in step.outputs}
    table = rows(section("methods", f"Steps of {name}"))[1:]
    assert {(min(words(step)), seen, output) for step, seen, outputs in table for output in words(outputs)} == sent


def test_each_function_of_expressions_and_formulas_is_documented() -> None:
    called = {word.split("(")[0] for word in words(page("methods"))}
    assert set(EXPRESSION_FUNCTIONS) | set(TERM_FUNCTIONS) <= called


# --- links --------------------------------------------------------------------------------------------------


def prose(file: Path) -> str:
    return re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(file), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_within_the_repository_resolve(file: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(file)):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link} names no heading"
