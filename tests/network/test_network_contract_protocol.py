"""The protocol's suite of lies and replays, over a real messaging server."""

from __future__ import annotations

import pytest
from test_node_protocol import *  # noqa: F403  # the suite itself

pytestmark = pytest.mark.usefixtures("each_over_messaging")
