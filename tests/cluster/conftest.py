"""Servers for the tests of the cluster layer: a fake one per test, a real one per session."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).parents[2]
# pytest's importlib mode puts nothing on the path; the servers are a package of the checkout.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.cluster.command import Launcher  # noqa: E402
from tests.cluster.controlplane import ControlPlane, Unavailable, running  # noqa: E402
from tests.cluster.fakeapi import FakeCluster  # noqa: E402
from tests.cluster.user import User  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = itertools.count()


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """A real control plane with controllers and two simulated nodes, shared by all tests."""
    try:
        with running(nodes=2, audit=True) as control_plane:
            yield control_plane
    except Unavailable as reason:
        pytest.skip(f"no real control plane: {reason}")


@pytest.fixture
def fake() -> Iterator[FakeCluster]:
    """A fake cluster of the test's own."""
    with FakeCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """What starts runs of the command."""
    with Launcher() as one:
        yield one


@pytest.fixture
def user(fake: FakeCluster, launcher: Launcher, tmp_path: Path) -> User:
    """Someone who applies sets to the fake cluster, with all rights."""
    return User(launcher, tmp_path, fake.kubeconfig())


@pytest.fixture
def fresh_name() -> Callable[[str], str]:
    """A name that no other test of this session uses, for what is shared on the real cluster."""
    return lambda stem: f"{stem}-{next(_numbers)}"
