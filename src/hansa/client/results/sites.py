"""The sites' own estimates side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hansa.client.results.view import View

if TYPE_CHECKING:
    from hansa.client.league import Submitted
    from hansa.engine import Outcome, SiteAnswer

__all__ = ["SitesView"]


class SitesView(View):
    """Each site's own estimate, or the reason why it gave none."""

    def __init__(
        self, answers: Sequence[SiteAnswer], outcome: Outcome | None, study: Submitted, analysis: str
    ) -> None:
        plain = {"schema": "sites/1.0", **{answer.node: answer.refused or "answered" for answer in answers}}
        super().__init__(plain, outcome, study, analysis)
        self.answers = tuple(answers)
