"""The embedded league's suite, over a real messaging server: same results, same refusals, same ledgers."""

from __future__ import annotations

import pytest
from network_engines import over_messaging, own_leagues_end  # noqa: F401  # fixtures, used by name
from test_embedded_league import *  # noqa: F403  # the suite itself

pytestmark = pytest.mark.usefixtures("over_messaging", "own_leagues_end")
