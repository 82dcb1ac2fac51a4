"""The story as one self-contained page: no script, no network, nothing that is not in the file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hansa.cli.demo import words
from hansa.cli.demo.departures import departures
from hansa.cli.demo.figures import inline_svg, intervals
from hansa.cli.demo.models import analysed, effect_of, held_out, labels, side_by_side, site_rows
from hansa.cli.demo.places import in_order, place
from hansa.client.results import SitesView
from hansa.client.tables import numbers
from hansa.privacy.rules import ADVICE

if TYPE_CHECKING:
    from hansa.cli.demo.story import Story
    from hansa.client.results import View

__all__ = ["page"]

SECTIONS = (
    ("question", "Question"),
    ("decisions", "Decisions"),
    ("people", "People"),
    ("model", "Risk model"),
    ("hospitals", "By hospital"),
    ("elsewhere", "Elsewhere"),
    ("pooled", "Pooled check"),
    ("left", "What left"),
    ("refused", "Refused"),
    ("proof", "Proof"),
    ("participant", "Participant"),
)
"""The sections' anchors and their names in the table of contents."""


@dataclass(frozen=True)
class Keys:
    """What a reader pins: the log's key, its witnesses' keys, and the root that they cosigned."""

    log: str
    witnesses: tuple[str, ...]
    root: str


def page(story: Story) -> str:
    """The page of a story, as HTML.

    Parameters
    ----------
    story : Story
        What happened; every number on the page is taken from it.

    Returns
    -------
    str
        One HTML document. Texts of studies, policies and nodes are escaped.
    """
    return _environment().get_template("page.html.j2").render(**_context(story))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hansa.cli.demo"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=numbers.count,
        fixed=numbers.fixed,
        percent=numbers.percent,
        p_value=numbers.p_value,
        significant=numbers.significant,
        joined=words.joined,
        size=words.size,
        spelled=words.spelled,
    )
    environment.globals.update(
        place=place,
        in_order=in_order,
        estimate=numbers.estimate,
        ratio=numbers.ratio,
        asked=words.asked,
        titled=words.titled,
        outcome=words.outcome,
        VERDICTS=words.VERDICTS,
        CHECKS=words.CHECKS,
        CLASSES=words.CLASSES,
        ADVICE=ADVICE,
        SECTIONS=SECTIONS,
    )
    return environment


def _context(story: Story) -> dict[str, Any]:
    common, own = (effect_of(story, name, "resting_bp") for name in ("risk_common", "risk_intercepts"))
    sexes, left = site_rows(story, "sex_by_hospital"), departures(story)
    return {
        "story": story,
        "labels": labels(story),
        "analysed": analysed(story),
        "common": common,
        "own": own,
        "finding": intervals([("All hospitals mixed", common), ("Within each hospital", own)]),
        "risk": side_by_side(story, "risk_common", "risk_intercepts"),
        "diagnostic": side_by_side(story, "risk_intercepts", "diagnostic"),
        "men": site_rows(story, "men_by_hospital"),
        "sexes": sexes,
        "held_out": held_out(story),
        "refusing": [row.node for row in sexes if row.outcome == "refused"],
        "departures": left,
        "shares": sum(len(ledger.entries) - ledger.releases for ledger in left),
        "keys": _keys(story.proof_text),
        "tables": {name: _table(story.results[name]) for name in ("people", "table1", "exercise")},
        "plots": _plots(story),
    }


def _table(view: View) -> Markup:
    return Markup(view.table().to_html())  # noqa: S704  # the renderer of tables escapes all text


def _plots(story: Story) -> dict[str, Markup]:
    men = story.results["men_by_hospital"]
    assert isinstance(men, SitesView), "an analysis with sites: true"
    return {
        "people": inline_svg(story.results["people"].plot(), "flow", "How many people remain after each condition"),
        "men": inline_svg(
            men.plot(term="resting_bp"), "forest", "Odds ratio of resting pressure among men, by hospital and pooled"
        ),
        "validation": inline_svg(story.validation.plot(), "calibration", "Observed share against predicted risk"),
    }


def _keys(proof: str) -> Keys:
    content = json.loads(proof)
    # A checkpoint's note has the origin, the size and the root hash on its first three lines (C2SP tlog-checkpoint).
    root = content["bundle"]["checkpoint"].split("\n")[2]
    return Keys(content["log_key"], tuple(content["witness_keys"]), root)
