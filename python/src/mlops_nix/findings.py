"""Findings of the checks, how they are silenced, and the registry of all checks.

A check is one function with an id that never changes. It is found by its place: each module of `mlops_nix.policy` exposes
``CHECKS``, a `Family`; adding a module or a check touches nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mlops_nix.errors import InputError
from mlops_nix.objects import ObjectRef, as_map, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mlops_nix.documents import Position
    from mlops_nix.objectset import Entry, ObjectSet

IGNORE_ANNOTATION = "mlops-nix.dev/ignore"


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """It is refused by the API server, or cannot work."""
    WARNING = "warning"
    """It works badly, is unsafe, or works only if something outside the set helps."""
    INFO = "info"
    """Worth knowing; nothing to do for many."""


ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
_RANK = {ERROR: 0, WARNING: 1, INFO: 2}


class Problem(NamedTuple):
    """What a check yields: the object, where in it, and what is wrong there."""

    entry: Entry
    path: str
    message: str
    fix: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of one object.

    Args:
        check: Id of the check, stable.
        severity: As the check has it, or as this case deserves.
        ref: The object.
        path: JSON path inside the object; empty for the object as a whole.
        message: What is wrong: expected, found, nearest.
        fix: What to do about it.
        position: Where the object was read; nothing for an object that no file holds.
        silenced: The user's reason for accepting it; nothing while it counts.
    """

    check: str
    severity: Severity
    ref: ObjectRef
    path: str
    message: str
    fix: str = ""
    position: Position | None = None
    silenced: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the finding as ``--output json`` prints it."""
        document: dict[str, Any] = {
            "check": self.check,
            "severity": self.severity.value,
            "object": self.ref.to_json(),
            "path": self.path,
            "message": self.message,
        }
        if self.fix:
            document["fix"] = self.fix
        if self.position is not None:
            document["file"] = self.position.file
            document["line"] = self.position.line
        if self.silenced is not None:
            document["silenced"] = self.silenced
        return document


Run: TypeAlias = "Callable[[ObjectSet], Iterable[Problem]]"


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Args:
        id: Stable name.
        family: The module of `mlops_nix.policy` that holds it.
        severity: Of its findings, where the case does not say otherwise.
        summary: What is wrong when it finds something, in one line.
        why: Why that matters.
        fix: What to do about it.
        run: Yields the problems of a set.
        also: Names of the same check in kube-linter, kube-score and Polaris.
        on: Whether it runs without being asked for.
    """

    id: str
    family: str
    severity: Severity
    summary: str
    why: str
    fix: str
    run: Run
    also: tuple[str, ...] = ()
    on: bool = True

    def to_json(self) -> dict[str, Any]:
        """Give the check as a row of the table of all checks."""
        return {
            "id": self.id,
            "family": self.family,
            "severity": self.severity.value,
            "summary": self.summary,
            "why": self.why,
            "fix": self.fix,
            "also": list(self.also),
            "on": self.on,
        }


class Family(list[Check]):
    """The checks of one policy module, gathered by a decorator."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def check(
        self, check_id: str, severity: Severity, summary: str, *, fix: str, also: Sequence[str] = (), on: bool = True
    ) -> Callable[[Run], Run]:
        """Register a function as a check; its docstring says why the check matters."""

        def register(run: Run) -> Run:
            why = re.sub(r"\s+", " ", run.__doc__ or "").strip()
            self.append(Check(check_id, self.name, severity, summary, why, fix, run, tuple(also), on))
            return run

        return register


def _nothing(objects: ObjectSet) -> Iterable[Problem]:
    del objects
    return ()


# Findings that do not come from a function over the set: the schema check and the silencing itself.
_OWN = (
    Check(
        "schema",
        "schema",
        ERROR,
        "The object breaks the schema of its kind",
        "The API server refuses it, or drops the field in silence.",
        "correct the field that the message names",
        _nothing,
    ),
    Check(
        "list-duplicates",
        "schema",
        ERROR,
        "Two items of a list that is merged by key have the same key",
        "Server-side apply answers 500 `duplicate entries for key`.",
        "remove or rename one of them",
        _nothing,
        ("duplicate-env-var",),
    ),
    Check(
        "unknown-kind",
        "schema",
        WARNING,
        "No schema is known for the kind",
        "Nothing inside the object was checked.",
        "give its CustomResourceDefinition with --schema FILE, or put it into the set",
        _nothing,
    ),
    Check(
        "kubeconform",
        "schema",
        ERROR,
        "kubeconform refuses the object",
        "A second, independent validator disagrees with the first one.",
        "correct the field that the message names",
        _nothing,
    ),
    Check(
        "yaml-surprise",
        "yaml",
        WARNING,
        "A plain scalar that YAML 1.1 and YAML 1.2 read differently",
        "kubectl reads YAML 1.1, other tools read 1.2: `no` is false for the one and text for the other.",
        "quote the text, or write true, false or a decimal number",
        _nothing,
    ),
    Check(
        "empty-file",
        "yaml",
        WARNING,
        "A manifest file without any object",
        "It is often what is left of a template that rendered to nothing.",
        "delete the file",
        _nothing,
    ),
    Check(
        "unknown-check",
        "silencing",
        ERROR,
        "An ignore names a check that does not exist",
        "A mistyped id silences nothing, and nobody notices.",
        "use an id of `mlops-nix validate --list-checks`",
        _nothing,
    ),
    Check(
        "ignore-without-reason",
        "silencing",
        ERROR,
        "An ignore gives no reason",
        "Whoever reads the manifest next cannot tell whether the exception still holds.",
        "write id=reason; several are separated by ';'",
        _nothing,
    ),
    Check(
        "unused-ignore",
        "silencing",
        WARNING,
        "An ignore that silences nothing",
        "It would hide the problem when it comes back.",
        "delete it",
        _nothing,
    ),
)


@cache
def all_checks() -> Mapping[str, Check]:
    """Find every check by its place and give them by id, in the order of families and files."""
    import importlib
    import pkgutil

    from mlops_nix import policy

    checks: dict[str, Check] = {check.id: check for check in _OWN}
    for module in sorted(pkgutil.iter_modules(policy.__path__), key=lambda found: found.name):
        family: Family = importlib.import_module(f"{policy.__name__}.{module.name}").CHECKS
        for check in family:
            if check.id in checks:
                raise ValueError(f"two checks have the id {check.id}")
            checks[check.id] = check
    return checks


def finding(check_id: str, ref: ObjectRef, path: str, message: str, position: Position | None = None) -> Finding:
    """Make a finding of a check that is no function over the set."""
    check = all_checks()[check_id]
    return Finding(check_id, check.severity, ref, path, message, check.fix, position)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One ``--ignore id[:kind/namespace/name]=reason``; a part that is empty or ``*`` fits everything."""

    check: str
    reason: str
    kind: str = "*"
    namespace: str = "*"
    name: str = "*"

    def covers(self, found: Finding) -> bool:
        """Tell whether it silences the finding."""
        return (
            self.check == found.check
            and self.kind.lower() in {"*", found.ref.kind.lower()}
            and self.namespace in {"*", found.ref.namespace}
            and self.name in {"*", found.ref.name}
        )

    def __str__(self) -> str:
        return f"{self.check}:{self.kind}/{self.namespace}/{self.name}={self.reason}"


def parse_ignore(text: str) -> Ignore:
    """Parse ``id[:kind[/namespace]/name]=reason``.

    Raises:
        InputError: The id is unknown, the reason is missing, or the place has no such shape.
    """
    left, _, reason = text.partition("=")
    check, _, place = left.strip().partition(":")
    if check not in all_checks():
        raise InputError(f"--ignore {text}: {_unknown(check)}", hint="`mlops-nix validate --list-checks` shows them")
    if not reason.strip():
        raise InputError(f"--ignore {text}: expected a reason", hint=f'--ignore "{left}=why this is accepted"')
    parts = [part.strip() or "*" for part in place.split("/")] if place else []
    match parts:
        case []:
            return Ignore(check, reason.strip())
        case [kind]:
            return Ignore(check, reason.strip(), kind)
        case [kind, name]:
            return Ignore(check, reason.strip(), kind, "*", name)
        case [kind, namespace, name]:
            return Ignore(check, reason.strip(), kind, namespace, name)
        case _:
            raise InputError(f"--ignore {text}: expected kind, kind/name or kind/namespace/name, found {place}")


def _unknown(check: str) -> str:
    from mlops_nix.nearest import suggest

    return f"{check}: unknown check{suggest(check, all_checks())}"


def _annotated(obj: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the (id, reason) pairs of an object's annotation."""
    text = as_map(metadata(obj).get("annotations")).get(IGNORE_ANNOTATION)
    if isinstance(text, str):
        for part in text.split(";"):
            if part.strip():
                check, _, reason = part.partition("=")
                yield check.strip(), reason.strip()


def silence(findings: Iterable[Finding], objects: ObjectSet, ignores: Sequence[Ignore] = ()) -> list[Finding]:
    """Mark what the user accepts, and add findings about ignores that are wrong or do nothing.

    Args:
        findings: What the checks found.
        objects: The set; its objects may carry the annotation ``mlops-nix.dev/ignore: "id=reason; id2=reason"``.
        ignores: From the command line.
    """
    own: dict[ObjectRef, dict[str, str]] = {}
    result: list[Finding] = []
    path = f"metadata.annotations[{IGNORE_ANNOTATION}]"
    for entry in objects.entries:
        for check, reason in _annotated(entry.object):
            if check not in all_checks():
                result.append(finding("unknown-check", entry.ref, path, _unknown(check), entry.position))
            elif not reason:
                message = f"{check}: expected a reason"
                result.append(finding("ignore-without-reason", entry.ref, path, message, entry.position))
            else:
                own.setdefault(entry.ref, {})[check] = reason
    used: set[tuple[ObjectRef, str]] = set()
    used_ignores: set[Ignore] = set()
    for found in findings:
        accepted = own.get(found.ref, {}).get(found.check)
        if accepted is not None:
            used.add((found.ref, found.check))
        for ignore in ignores:
            if ignore.covers(found):
                used_ignores.add(ignore)
                accepted = accepted or ignore.reason
        result.append(found if accepted is None else replace(found, silenced=accepted))
    positions = {entry.ref: entry.position for entry in objects.entries} if own else {}
    result += [
        finding("unused-ignore", ref, path, f"{check}: found nothing here", positions[ref])
        for ref, reasons in own.items()
        for check in reasons
        if (ref, check) not in used
    ]
    nowhere = ObjectRef("", "", "", "", "")
    result += [
        finding("unused-ignore", nowhere, "", f"--ignore {ignore}: found nothing")
        for ignore in ignores
        if ignore not in used_ignores
    ]
    return result


def run_checks(objects: ObjectSet, *, enable: Iterable[str] = (), only: Iterable[str] | None = None) -> list[Finding]:
    """Run the policy checks over a set.

    Args:
        objects: The set.
        enable: Ids of checks that are off by default and shall run too.
        only: Ids of the checks that shall run, and no others.
    """
    wanted = set(enable)
    chosen = None if only is None else set(only)
    result: list[Finding] = []
    for check in all_checks().values():
        if check.id in chosen if chosen is not None else check.on or check.id in wanted:
            for problem in check.run(objects):
                entry = problem.entry
                result.append(
                    Finding(
                        check.id,
                        problem.severity or check.severity,
                        entry.ref,
                        problem.path,
                        problem.message,
                        problem.fix or check.fix,
                        entry.position,
                    )
                )
    return result


def sort_key(found: Finding) -> tuple[Any, ...]:
    """Order findings by file, object, severity and path, so that two runs print the same."""
    position = found.position
    place = (position.file, position.line) if position else ("", 0)
    return (*place, found.ref, _RANK[found.severity], found.path, found.check, found.message)
