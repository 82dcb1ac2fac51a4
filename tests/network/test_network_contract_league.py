"""The embedded league's suite, over a real messaging server: same results, same refusals, same ledgers."""

from __future__ import annotations

import pytest
from test_embedded_league import *  # noqa: F403  # the suite itself

pytestmark = pytest.mark.usefixtures("over_messaging")
