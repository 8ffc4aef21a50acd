"""The targets of ``tests/bench`` that are counters, the same on every machine; times are left to ``make bench``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests" / "bench"

pytestmark = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="nix-instantiate is not installed")


def test_calls_stay_within_their_targets() -> None:
    run = subprocess.run(
        [sys.executable, BENCH / "run.py", "--only", "calls", "--runs", "1", "--json"],
        capture_output=True,
        timeout=300,
        check=True,
    )
    figures: dict[str, dict[str, Any]] = json.loads(run.stdout)
    unmeasured = {name: figure["value"] for name, figure in figures.items() if isinstance(figure["value"], str)}
    assert not unmeasured
    assert sum(figure["limit"] is not None for figure in figures.values()) >= 8
    over = {name: figure for name, figure in figures.items() if figure["limit"] and figure["value"] > figure["limit"]}
    assert not over


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
def test_the_chart_that_helm_is_measured_with_gives_the_same_objects() -> None:
    chart = subprocess.run(
        ["helm", "template", "bench", BENCH / "chart", "--set", "count=12"], capture_output=True, timeout=60, check=True
    )
    arguments = ["--argstr", "case", "objects", "--arg", "count", "12", "--arg", "root", str(ROOT)]
    plain = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", BENCH / "cases.nix", *arguments],
        capture_output=True,
        timeout=60,
        check=True,
    )

    def ordered(objects: list[Any]) -> list[Any]:
        return sorted(objects, key=lambda found: (found["kind"], found["metadata"]["name"]))

    from_helm = [found for found in yaml.safe_load_all(chart.stdout) if found]
    assert ordered(from_helm) == ordered(json.loads(plain.stdout))
