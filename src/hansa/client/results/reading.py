"""From what the hub answers to the view that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hansa.client.results.sites import SitesView
from hansa.client.results.view import View

if TYPE_CHECKING:
    from hansa.client.league import Submitted
    from hansa.engine import Outcome, SiteAnswer

__all__ = ["read_outcome", "read_sites"]


def read_outcome(outcome: Outcome, study: Submitted, analysis: str) -> View:
    """The view of a finished run's result."""
    return View(outcome.result, outcome, study, analysis)


def read_sites(
    answers: Sequence[SiteAnswer], study: Submitted, analysis: str, *, outcome: Outcome | None = None
) -> View:
    """The view of the sites' own estimates."""
    return SitesView(answers, outcome, study, analysis)
