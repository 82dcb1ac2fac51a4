"""The engine between machines in place of the embedded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from hansa.embedded import local
from hansa.testing.messaging import OverMessaging


@contextmanager
def _engine(folders: pytest.TempPathFactory) -> Iterator[list[OverMessaging]]:
    opened: list[OverMessaging] = []

    def engine(nodes: Mapping[str, Callable[[bytes], bytes]]) -> OverMessaging:
        opened.append(OverMessaging(nodes, folders.mktemp("messaging")))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "InProcess", engine)
        yield opened
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def over_messaging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[OverMessaging]]:
    """For suites with leagues that live as long as the module; see :func:`own_leagues_end`."""
    with _engine(tmp_path_factory) as opened:
        yield opened


@pytest.fixture
def own_leagues_end(over_messaging: list[OverMessaging]) -> Iterator[None]:
    """Leagues that a test makes end with it: the heartbeats of dozens would take most of the machine's time."""
    shared = len(over_messaging)
    yield
    while len(over_messaging) > shared:
        over_messaging.pop().close()


@pytest.fixture
def each_over_messaging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For suites whose tests make a league each."""
    with _engine(tmp_path_factory):
        yield
