"""Clusters for the live tests: rendered objects, started as processes of this machine."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).resolve().parents[2]
# pytest's importlib mode puts nothing on the path; what the live tests share is a package of the checkout.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.live.cluster import Cluster, rendered  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@pytest.fixture(scope="module")
def cluster_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Cluster]]:
    """Make a cluster of a platform, given as a Nix expression; it ends with the module's tests."""
    with ExitStack() as stack:

        def make(expression: str, values: Mapping[tuple[str, str, str], str] | None = None) -> Cluster:
            return stack.enter_context(Cluster(tmp_path_factory.mktemp("cluster"), rendered(expression), values))

        yield make
