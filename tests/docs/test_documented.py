"""What people can write or read is documented, and what is documented exists."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel

from hansa import errors
from hansa.cli.main import hansa
from hansa.errors import HansaError, StudyError
from hansa.formula.functions import EXPRESSION_FUNCTIONS, TERM_FUNCTIONS
from hansa.governance import Policy
from hansa.governance.facts import NODE_FACTS, Facts
from hansa.governance.rules import Rule
from hansa.model import Analysis, Derivation, Dictionary, Party, Places, Purpose, Study, Variable
from hansa.node.context import NodeSettings
from hansa.privacy.thresholds import Thresholds
from hansa.stats.catalogue import catalogue
from hansa.stats.direct import DirectCohorts
from hansa.stats.glm_result import GlmResult
from hansa.stats.meta import MetaAnalysis
from hansa.stats.plain import Result
from tests.docs.pages import PAGES, ROOT, anchors, code, named, prose, rows, sections

REFERENCE = ROOT / "docs" / "reference"
COMMANDS, ERRORS, METHODS, RESULTS, SETTINGS = (
    sections(REFERENCE / f"{name}.md")
    for name in ("commands", "errors", "methods", "results", "thresholds-and-settings")
)
MODELS = (Thresholds, Policy, Study, Purpose, Party, Places, Derivation, Analysis, Dictionary, Variable)


def first_column(section: str) -> set[str]:
    return {name for row in rows(section) for name in code(row[0])}


# --- commands -----------------------------------------------------------------------------------------------


def tree(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from tree(child, f"{path} {name}")


def parameters(command: click.Command) -> set[str]:
    found = {
        param.human_readable_name if isinstance(param, click.Argument) else max(param.opts, key=len)
        for param in command.params
    }
    return found - {"--help"}


@pytest.mark.parametrize(("path", "command"), list(tree(hansa, "hansa")), ids=lambda value: str(value))
def test_every_command_and_option_is_documented_and_no_other(path: str, command: click.Command) -> None:
    assert path in COMMANDS, f"commands.md has no section {path}"
    documented = first_column(COMMANDS[path]) - {"-h", "--help"}
    assert documented == parameters(command)


def test_no_command_is_documented_that_does_not_exist() -> None:
    headings = {heading for heading in COMMANDS if heading.startswith("hansa")}
    assert headings == {path for path, _ in tree(hansa, "hansa")}


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_every_field_is_documented_and_no_other(model: type[BaseModel]) -> None:
    assert first_column(SETTINGS[model.__name__]) == set(model.model_fields)


@pytest.mark.parametrize("model", MODELS)
def test_fields_that_are_needed_say_so(model: type[BaseModel]) -> None:
    needed = {code(row[0])[0] for row in rows(SETTINGS[model.__name__]) if row[1] == "needed"}
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert needed == required - ({"id"} if model is Study else set())


@pytest.mark.parametrize("model", [Thresholds, Policy, Study, Analysis, Dictionary])
def test_documented_numbers_and_truth_values_are_the_defaults(model: type[BaseModel]) -> None:
    for row in rows(SETTINGS[model.__name__]):
        default = model.model_fields[code(row[0])[0]].default
        if isinstance(default, int | float):
            assert row[1].strip("`") == str(default).lower()


def test_every_field_of_the_node_settings_is_documented() -> None:
    assert first_column(SETTINGS["NodeSettings"]) == {field.name for field in dataclasses.fields(NodeSettings)}


def test_every_rule_is_documented_with_its_fields() -> None:
    kinds = typing.get_args(typing.get_args(Rule)[0])
    expected = {kind.model_fields["rule"].default: set(kind.model_fields) - {"rule", "name"} for kind in kinds}
    documented = {code(row[0])[0]: row[1] for row in rows(SETTINGS["Rules"])}
    assert set(documented) == set(expected)
    for rule, fields in expected.items():
        assert fields <= set(code(documented[rule])), f"{rule} lacks a field"


def test_every_fact_is_documented_on_its_side() -> None:
    columns = list(zip(*rows(SETTINGS["Facts"]), strict=True))
    study, node = ({name for cell in column for name in code(cell)} for column in columns)
    assert node == NODE_FACTS
    assert study == {field.alias for field in Facts.model_fields.values()} - NODE_FACTS


# --- results ------------------------------------------------------------------------------------------------


def fields_of(kind: Any) -> set[str]:
    """The fields of a result, and of every dataclass within it."""
    if not dataclasses.is_dataclass(kind):
        return set[str]().union(*map(fields_of, typing.get_args(kind)))
    assert isinstance(kind, type)
    hints = typing.get_type_hints(kind)
    own = {field.name for field in dataclasses.fields(kind)}
    return own.union(*(fields_of(hints[name]) for name in own))


def results() -> list[type[Result]]:
    assert {GlmResult, MetaAnalysis} <= set(Result.__subclasses__())
    return [kind for kind in Result.__subclasses__() if kind.__module__.startswith("hansa.")]


@pytest.mark.parametrize("kind", results())
def test_every_field_of_every_result_is_documented(kind: type[Result]) -> None:
    section = RESULTS[kind.schema]
    if kind.schema == "table1/1.0":
        assert fields_of(kind) <= set(code(section))
        return
    assert fields_of(kind) <= set(code(section)), f"{kind.schema} has fields that are not documented"


def test_every_column_of_the_summaries_is_documented() -> None:
    import hansa as package
    from hansa.examples import heart, heart_dictionary

    league = package.local(heart(), heart_dictionary())
    people = {"complete": ["age", "sex", "disease", "resting_bp", "max_heart_rate"]}
    sites = league.sites("disease ~ age", family="binomial", **people)
    asked = [
        league.glm("disease ~ age", family="binomial", **people),
        league.describe(["age"], **people),
        league.histogram("age", bins=[20, 50, 90], **people),
        league.flow(["known: disease"]),
        sites.pooled("age"),
    ]
    for view in asked:
        assert set(view.summary.columns) <= set(code(RESULTS[view.schema])), view.schema
    assert set(asked[0].provenance) == first_column(RESULTS["provenance"])


# --- errors -------------------------------------------------------------------------------------------------


def test_every_error_is_documented_with_its_code_and_statuses() -> None:
    kinds: list[type[HansaError]] = [getattr(errors, name) for name in errors.__all__]
    expected = {(kind.__name__, kind.code, str(kind.exit_status), str(kind.http_status)) for kind in kinds}
    documented = {tuple(cell.strip("`") for cell in row[:4]) for row in rows(ERRORS["Errors"])}
    assert documented == expected


def test_every_reason_of_a_refusal_in_the_code_is_documented() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src" / "hansa").rglob("*.py")]
    used = {reason for text in texts for reason in re.findall(r'\breason="([a-z]+)"', text)}
    assert used <= first_column(ERRORS["Reasons of a refusal"])
    assert "disclosure" in used


# --- methods ------------------------------------------------------------------------------------------------


def arguments_of(method: str) -> set[str]:
    """The arguments that a method says it takes when it is given another."""
    with pytest.raises(StudyError) as raised:
        catalogue()[method].plan(DirectCohorts(catalogue()[method], [], {}), {"unheard_of": 1})
    return set(raised.value.fix.removeprefix("it takes ").split(", "))


def test_every_method_is_documented_and_cited() -> None:
    text = " ".join(prose(REFERENCE / "methods.md").split())
    for name, method in catalogue().items():
        assert name in METHODS, f"methods.md has no section {name}"
        for citation in method.citations:
            assert citation.rstrip(".") in text, f"{name} lacks {citation}"


@pytest.mark.parametrize("method", sorted(set(catalogue()) - {"flow", "validate"}))
def test_every_argument_of_a_method_is_documented_and_no_other(method: str) -> None:
    assert first_column(METHODS[method]) == arguments_of(method)


def test_every_function_of_formulas_and_expressions_is_documented() -> None:
    for heading, functions in (("Formulas", TERM_FUNCTIONS), ("Expressions", EXPRESSION_FUNCTIONS)):
        documented = {name.partition("(")[0] for name in first_column(METHODS[heading])}
        assert documented == set(functions)


# --- links --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_between_pages_resolve(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        place, _, fragment = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{named(page)} links to {link}"
        if fragment:
            assert fragment in anchors(target), f"{named(page)} links to {link}"


def test_every_page_can_be_reached_from_the_index() -> None:
    linked, waiting = set[Path](), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        linked.add(page)
        for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", prose(page)):
            target = (page.parent / link).resolve()
            if target.suffix == ".md" and target in PAGES and target not in linked:
                waiting.append(target)
    decisions = set((ROOT / "docs" / "adr").glob("*.md"))
    assert set(PAGES) - linked - decisions == set()


def test_tests_named_on_the_trust_page_exist() -> None:
    places = re.findall(r"`((?:tests|src)/[\w/.]+)`", prose(ROOT / "docs" / "explanation" / "trust.md"))
    assert len(places) > 10
    assert [place for place in places if not (ROOT / place).exists()] == []
