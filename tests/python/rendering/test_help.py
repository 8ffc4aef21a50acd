"""The help of the rendering commands: a sentence, grouped options, three examples, exit codes."""

from __future__ import annotations

from typing import Any

import pytest

COMMANDS = [
    ("render",),
    ("images",),
    ("graph",),
    ("docs",),
    ("init",),
    ("crds", "list"),
    ("crds", "fetch"),
    ("crds", "vendor"),
    ("crds", "kustomization"),
    ("secrets", "list"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_within_80_columns(cli: Any, words: tuple[str, ...]) -> None:
    outcome = cli(*words, "--help")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    command = f"mlops-nix {' '.join(words)}"
    assert lines[0].startswith(f"Usage: {command}")
    assert lines[2].strip()[0].isupper()
    examples = lines[lines.index("Examples:") + 1 : lines.index("Exit codes:") - 1]
    assert len(examples) == 3
    assert sum(command in line for line in examples) >= 1
    assert lines[lines.index("Exit codes:") + 1] == "  0  done, or nothing differs"
    assert max(map(len, lines)) <= 82


@pytest.mark.parametrize("group", ["crds", "secrets"])
def test_a_group_lists_its_subcommands(cli: Any, group: str) -> None:
    text = cli(group, "--help").stdout
    assert "list" in text.partition("Commands:")[2]
