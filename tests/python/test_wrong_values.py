"""Whatever a user writes for an option: it is rendered, or refused by a message that names the option.

Never an error of Nix's own, and never an object that the API would refuse.
"""

from __future__ import annotations

import json
import os
import random
import string
import subprocess
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "wrong_values"
ROOT = Path(__file__).resolve().parents[2]
BASE: dict[str, object] = json.loads((HERE / "base.json").read_text())
GOOD = {"rendered", "refused", "refused-in-combination", "refused-by-schema", "thrown-by-value"}
SEED = int(os.environ.get("MLOPS_NIX_SEED", "20"))
COUNT = int(os.environ.get("MLOPS_NIX_WRONG_VALUES", "14"))

# Values that have hurt people: each is right somewhere and wrong almost everywhere.
NASTY: list[object] = [
    "",
    "x",
    "Not A Name",
    "s3://models/bert:v1",
    "10GB",
    "5m",
    "http://h:99999999/",
    "a" * 300,
    "ü€\u2028\x7f",
    0,
    -1,
    70000,
    10**15,
    0.5,
    True,
    [],
    [None],
    [["x"]],
    ["x", 1],
    {},
    {"name": "x"},
    {"x": {"y": None}},
    {"_type": "component", "name": "x", "endpoints": {}},
    [{"name": "x", "value": {}}],
]


def scribble(random_: random.Random, depth: int = 0) -> object:
    """Give any JSON value, small."""
    kind = random_.randrange(7 if depth < 2 else 5)
    if kind == 0:
        return random_.choice([None, True, False])
    if kind == 1:
        return random_.choice([random_.randrange(-5, 100_000), random_.uniform(-1, 1e6)])
    if kind in {2, 3, 4}:
        letters = string.ascii_lowercase + "-./:_ A9%${}\\\"'\n"
        return "".join(random_.choice(letters) for _ in range(random_.randrange(0, 24)))
    if kind == 5:
        return [scribble(random_, depth + 1) for _ in range(random_.randrange(3))]
    names = ["name", "key", "host", "type", "cpu", "memory", "limits", "x"]
    return {random_.choice(names): scribble(random_, depth + 1) for _ in range(random_.randrange(3))}


def evaluate(values: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            "nix-instantiate",
            "--eval",
            "--strict",
            "--json",
            str(HERE / "evaluate.nix"),
            "--argstr",
            "values",
            str(values),
            "--argstr",
            "base",
            str(HERE / "base.json"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def builders() -> list[str]:
    """Every builder of the library, so that a new one cannot be forgotten."""
    done = subprocess.run(
        [
            "nix-instantiate",
            "--eval",
            "--strict",
            "--json",
            "-E",
            f"builtins.attrNames (import {ROOT}/lib {{ }}).reference",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in json.loads(done.stdout) if name != "mkPlatform"]


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    random_ = random.Random(SEED)
    chosen = NASTY + [scribble(random_) for _ in range(COUNT)]
    path = tmp_path_factory.mktemp("values") / "values.json"
    path.write_text(json.dumps(chosen))
    return path, chosen


def test_every_builder_has_valid_arguments_to_start_from() -> None:
    assert sorted(BASE) == builders()


@pytest.mark.parametrize("builder", sorted(BASE))
def test_a_wrong_value_is_refused_by_a_message_that_names_its_option(
    builder: str, values: tuple[Path, list[object]]
) -> None:
    path, chosen = values
    done = evaluate(path, "--argstr", "builder", builder)
    if done.returncode != 0:
        reference = subprocess.run(
            [
                "nix-instantiate",
                "--eval",
                "--strict",
                "--json",
                "-E",
                f"map (o: o.path) (import {ROOT}/lib {{ }}).{builder}.reference.options",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        for option in json.loads(reference.stdout):
            single = evaluate(path, "--argstr", "builder", builder, "--argstr", "option", option)
            if single.returncode != 0:
                pytest.fail(f"{builder}.{option}: an error of Nix's own:\n{single.stderr[:2000]}")
        pytest.fail(f"{builder}: {done.stderr[:2000]}")
    results = json.loads(done.stdout)
    wrong = [
        f"{entry['option']} = {json.dumps(chosen[entry['index']]) if entry['index'] < len(chosen) else 'own value ' + str(entry['index'] - len(chosen))}: {entry['outcome']}"
        for entry in results
        if entry["outcome"] not in GOOD
    ]
    outcomes = Counter(entry["outcome"] for entry in results)
    assert not wrong, "\n".join(wrong[:40])
    assert outcomes["refused"] > outcomes["rendered"]
