from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from hansa.cli.demo.departures import departures
from hansa.cli.demo.figures import intervals
from hansa.cli.demo.models import Effect, analysed, effect_of, site_rows
from hansa.cli.demo.page import SECTIONS, page
from hansa.cli.demo.places import in_order, place
from hansa.cli.demo.story import Story, tell
from hansa.cli.league import open_league

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
HOSTILE = '<script>alert("x")</script>'


class Reader(HTMLParser):
    """Checks that every element is closed in order, and collects attributes and text by element."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def story() -> Story:
    return tell(open_league("heart"), lambda _: None)


@pytest.fixture(scope="module")
def html(story: Story) -> str:
    return page(story)


@pytest.fixture(scope="module")
def reader(html: str) -> Reader:
    return read(html)


def test_every_element_is_closed_in_order(reader: Reader) -> None:
    assert reader.open == []


def test_the_page_needs_nothing_outside_itself(html: str, reader: Reader) -> None:
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {tag for tag, _ in reader.elements}
    assert not re.search(r"https?://|@import|url\((?!#)", html)
    references = [
        attributes[name]
        for _, attributes in reader.elements
        for name in ("href", "src", "xlink:href", "srcset", "action")
        if name in attributes
    ]
    assert references
    assert all(reference is not None and reference.startswith("#") for reference in references)


def test_no_element_reacts_to_events(reader: Reader) -> None:
    assert not [name for _, attributes in reader.elements for name in attributes if name.startswith("on")]


def test_identifiers_are_unique_and_every_reference_leads_somewhere(html: str, reader: Reader) -> None:
    names = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(names) == len(set(names))
    wanted = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)|aria-labelledby="([^"]+)"', html))
    assert {next(filter(None, found)) for found in wanted} <= set(names)


def test_each_section_is_there_and_in_the_contents(reader: Reader) -> None:
    sections = [attributes["id"] for tag, attributes in reader.elements if tag == "section"]
    assert sections == [anchor for anchor, _ in SECTIONS]
    links = {attributes.get("href") for tag, attributes in reader.elements if tag == "a"}
    assert {f"#{anchor}" for anchor in sections} <= links


def test_tables_have_captions_and_their_headings_scopes(reader: Reader) -> None:
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("table") == tags.count("caption") > 0
    assert all("scope" in attributes for tag, attributes in reader.elements if tag == "th")


def test_plots_have_a_name_for_screen_readers(reader: Reader) -> None:
    drawings = [attributes for tag, attributes in reader.elements if tag == "svg"]
    assert all(found.get("aria-hidden") == "true" or found.get("aria-label") for found in drawings)
    assert sum("aria-label" in found for found in drawings) == 3


def test_the_analysis_set_is_shown_by_hospital(story: Story, reader: Reader) -> None:
    people = analysed(story)
    assert people == {"cleveland": 303, "budapest": 293, "zurich": 121, "long_beach": 143}
    assert f"One analysis set of {sum(people.values())} people" in reader.words


def test_men_are_counted_at_each_hospital(story: Story) -> None:
    men = {row.node: row.n for row in site_rows(story, "men_by_hospital")}
    assert men == {"cleveland": 206, "budapest": 213, "zurich": 111, "long_beach": 138}


def test_resting_pressure_changes_with_hospital_intercepts(story: Story) -> None:
    common, own = (effect_of(story, name, "resting_bp") for name in ("risk_common", "risk_intercepts"))
    assert common.p == pytest.approx(0.12, abs=0.005)
    assert own.p == pytest.approx(0.007, abs=0.0005)


def test_every_rule_of_every_decision_is_listed(story: Story, reader: Reader) -> None:
    decisions = [*story.decisions.values(), *story.insurer.values()]
    findings = [finding for decision in decisions for finding in decision.findings]
    facts = [attributes for tag, attributes in reader.elements if tag == "dl" and attributes.get("class") == "facts"]
    assert len(facts) == len(findings)
    for finding in findings:
        assert " ".join(finding.sentence.split()) in reader.words
        assert " ".join(finding.change.split()) in reader.words
        assert all(name in reader.words for name in (*finding.facts_used, *finding.facts_missing))


def test_a_refusal_shows_the_general_word_and_the_stewards_reason_apart(story: Story, reader: Reader) -> None:
    rows = {row.node: row for row in site_rows(story, "sex_by_hospital")}
    assert rows["long_beach"].outcome == "refused"
    assert rows["cleveland"].outcome == "answered"
    _, _, own = reader.words.partition("Only the steward in Long Beach sees this")
    ledger = next(found for found in departures(story) if found.node == "long_beach")
    assert ledger.refusals
    assert all(reason in own for reason, _ in ledger.refusals)
    told, _, _ = reader.words.partition("Only the steward in Long Beach sees this")
    assert not any(reason in told for reason, _ in ledger.refusals)


def test_every_departure_is_listed_and_added_up_once(story: Story, html: str) -> None:
    for ledger in departures(story):
        entries = story.stewards[ledger.node].ledger
        assert len(ledger.entries) == len(entries) == sum(line.times for line in ledger.lines)
        assert ledger.bytes == sum(entry.bytes for entry in entries) == sum(line.bytes for line in ledger.lines)
        assert len(ledger.entries) == len(re.findall(r"<td>\d\d:\d\d:\d\d\.\d{3}</td>", _ledger_of(html, ledger.node)))


def _ledger_of(html: str, node: str) -> str:
    return html.split(f"<caption>{place(node).name}: the ledger</caption>")[1].split("</table>", maxsplit=1)[0]


def test_departures_name_the_analysis_that_they_served(story: Story) -> None:
    known = {*story.study.analyses, "validation"}
    assert {analysis for ledger in departures(story) for analysis, _ in ledger.entries} <= known


def test_the_comparison_shows_the_largest_difference(story: Story, reader: Reader) -> None:
    assert story.comparisons
    for found in story.comparisons:
        assert f"{found.analysis} : largest relative difference" in reader.words


def test_a_page_without_statsmodels_says_how_to_get_it(story: Story) -> None:
    words = read(page(dataclasses.replace(story, comparisons=()))).words
    assert "statsmodels is not installed here" in words


def test_the_proof_names_log_witnesses_and_the_command(story: Story, reader: Reader) -> None:
    assert f"cosigned it at {story.proof.log_size} entries" in reader.words
    assert "hansa log verify risk_intercepts.proof.json --log-key" in reader.words


def test_the_participant_reads_what_their_record_was_used_for(story: Story, reader: Reader) -> None:
    _, _, card = reader.words.partition("What a participant sees")
    assert story.uses[0].requester in card
    assert f"{story.insurer_study.requester.name} asked too. Cleveland said no" in card


def test_a_person_whose_record_served_nothing_is_told_so(story: Story) -> None:
    assert "No study has used this record." in read(page(dataclasses.replace(story, uses=()))).words


def test_hostile_texts_are_text(story: Story) -> None:
    study = story.study.model_copy(
        update={
            "title": HOSTILE,
            "lay_summary": HOSTILE,
            "requester": story.study.requester.model_copy(update={"name": HOSTILE}),
        }
    )
    decision = story.decisions["zurich"]
    finding = decision.findings[0].model_copy(
        update={"sentence": HOSTILE, "change": HOSTILE, "rule": HOSTILE, "facts_used": {HOSTILE: HOSTILE}}
    )
    changed = decision.model_copy(update={"findings": (finding,), "policy": HOSTILE})
    told = dataclasses.replace(
        story,
        study=study,
        decisions={**story.decisions, "zurich": changed},
        insurer_outcome=HOSTILE,
        participant=("cleveland", HOSTILE),
    )
    shown = page(told)
    reader = read(shown)
    assert "script" not in {tag for tag, _ in reader.elements}
    assert reader.words.count('alert("x")') >= 8


def test_hospitals_stand_in_the_pages_order_and_unknown_ones_behind_them() -> None:
    assert in_order(["other", "zurich", "cleveland", "another"]) == ["cleveland", "zurich", "another", "other"]
    assert place("other").name == "other"


def test_intervals_stay_on_their_axis() -> None:
    drawn = intervals([("a", Effect(1.07, 0.98, 1.16, 0.1)), ("b", Effect(2.0, 1.4, 3.1, 0.01))])
    for bar in drawn.bars:
        assert 0 < bar.left < bar.middle < bar.right < 100
    assert all(0 < at < 100 for at, _ in drawn.ticks)
    assert drawn.bars[0].left < drawn.none < drawn.bars[0].middle
