"""Someone who runs `mlops-nix` against a cluster: what tests of the cluster layer say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.cluster.objects import Object, write_set

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.command import Done, Launcher, Running


WAITING = {"apply", "delete", "rollback", "wait"}
"""Commands with a time limit."""


@dataclass(frozen=True)
class User:
    """A user with a kubeconfig and a folder for sets.

    Args:
        launcher: starts the runs.
        folder: where sets are written.
        kubeconfig: the access that runs get.
        where: namespace of objects that name none.
    """

    launcher: Launcher
    folder: Path
    kubeconfig: Path
    where: str = "ml"

    def with_access(self, kubeconfig: Path) -> User:
        """Return the same user with another kubeconfig."""
        return replace(self, kubeconfig=kubeconfig)

    def write(self, items: list[Object], name: str = "acme", **more: Any) -> Path:
        """Write a set."""
        return write_set(self.folder, name, items, where=self.where, **more)

    def start(self, command: str, target: Path | str, *options: str, **how: Any) -> Running:
        """Start a run with JSON output."""
        given = [command, str(target), "--output", "json"]
        if command in WAITING - {"wait"}:
            given.append("--yes")
        if not any(option.startswith("--timeout") for option in options) and command in WAITING:
            given += ["--timeout", "60"]
        return self.launcher.start(*given, *options, kubeconfig=self.kubeconfig, **how)

    def run(self, command: str, target: Path | str, *options: str, seconds: float = 120.0, **how: Any) -> Done:
        """Run to the end with JSON output."""
        return self.start(command, target, *options, **how).wait(seconds)

    def apply(self, items: list[Object], *options: str, name: str = "acme", **how: Any) -> Done:
        """Write a set and apply it."""
        return self.run("apply", self.write(items, name), *options, **how)

    def diff(self, items: list[Object], *options: str, name: str = "acme", **how: Any) -> Done:
        """Write a set and show what would change."""
        return self.run("diff", self.write(items, name), *options, **how)


def ok(done: Done) -> Done:
    """Return a run that has to have ended well."""
    assert done.code == 0, str(done)
    return done


def actions(done: Done) -> dict[str, str]:
    """Return what happened to each object: `Kind/name` -> action."""
    return {f"{event['object']['kind']}/{event['object']['name']}": event["action"] for event in done.of_type("object")}
