"""The protocol's suite of lies and replays, over a real messaging server."""

from __future__ import annotations

import pytest
from network_engines import each_over_messaging  # noqa: F401  # a fixture, used by name
from test_node_protocol import *  # noqa: F403  # the suite itself

pytestmark = pytest.mark.usefixtures("each_over_messaging")
