"""Validate a set of objects: schemas, policies, kubeconform; one report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_nix import kubeconform
from mlops_nix.findings import Finding, Severity, finding, run_checks, silence, sort_key
from mlops_nix.objects import ObjectRef
from mlops_nix.objectset import ObjectSet
from mlops_nix.schema import Schemas, history

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mlops_nix.errors import InputError
    from mlops_nix.findings import Ignore
    from mlops_nix.yamlio import Reading

FORMAT = "mlops-nix/validation/v1"


@dataclass(slots=True)
class Report:
    """What validation found.

    Args:
        kubernetes_version: The version whose schemas were used.
        objects: The objects that were checked.
        findings: All findings, the silenced ones too, in the order of files and objects.
        problems: What could not be read.
        kubeconform: How many objects kubeconform looked at; nothing if it did not run.
    """

    kubernetes_version: str
    objects: list[ObjectRef] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)
    kubeconform: int | None = None

    def count(self, severity: Severity) -> int:
        """Count the findings of a severity that are not silenced."""
        return sum(found.severity is severity and found.silenced is None for found in self.findings)

    @property
    def silenced(self) -> int:
        """How many findings the user has accepted."""
        return sum(found.silenced is not None for found in self.findings)

    def valid(self, *, strict: bool = False) -> bool:
        """Tell whether nothing is wrong; with `strict`, warnings are wrong, too."""
        wrong = self.count(Severity.ERROR) + (self.count(Severity.WARNING) if strict else 0)
        return not wrong and not self.problems

    def to_json(self, *, strict: bool = False) -> dict[str, Any]:
        """Give the report as ``--output json`` prints it."""
        return {
            "format": FORMAT,
            "valid": self.valid(strict=strict),
            "kubernetesVersion": self.kubernetes_version,
            "objects": len(self.objects),
            "kubeconform": self.kubeconform,
            "summary": {
                "errors": self.count(Severity.ERROR),
                "warnings": self.count(Severity.WARNING),
                "infos": self.count(Severity.INFO),
                "silenced": self.silenced,
                "unreadable": len(self.problems),
            },
            "problems": [problem.to_json() for problem in self.problems],
            "findings": [found.to_json() for found in self.findings],
        }


def validate(
    reading: Reading,
    *,
    kubernetes_version: str | None = None,
    schemas: Schemas | None = None,
    ignores: Sequence[Ignore] = (),
    enable: Iterable[str] = (),
    only: Iterable[str] | None = None,
    with_kubeconform: bool = False,
) -> Report:
    """Check everything that was read.

    Args:
        reading: Objects, and what could not be read.
        kubernetes_version: Such as ``1.36``; by default that of the set document, else the default one.
        schemas: Schemas with own kinds; made for the version if not given.
        ignores: Findings that the user accepts on the command line.
        enable: Ids of checks that are off by default.
        only: Ids of the only checks that shall run.
        with_kubeconform: Ask kubeconform, too.

    Raises:
        InputError: The version is unknown, or kubeconform failed.
        ToolMissing: kubeconform is not installed.
    """
    if schemas is None:
        declared = (reading.set_document or {}).get("kubernetesVersion")
        schemas = Schemas(kubernetes_version or declared)
    # The schemas of a CRD in the set are those that its objects will meet.
    schemas.add_crds(reading.objects)
    objects = ObjectSet(
        reading.manifests,
        kubernetes_version=schemas.version,
        scope=schemas.scope,
        set_document=reading.set_document,
    )
    report = Report(schemas.version, [entry.ref for entry in objects.entries], problems=list(reading.problems))
    chosen = None if only is None else set(only)
    found = [one for one in _schema_findings(objects, schemas) if chosen is None or one.check in chosen]
    found += [one for one in _reading_findings(reading, objects) if chosen is None or one.check in chosen]
    found += run_checks(objects, enable=enable, only=chosen)
    if with_kubeconform:
        known = [entry for entry in objects.entries if schemas.kind(entry.ref.api_version, entry.kind)]
        verdicts = kubeconform.run([entry.object for entry in known], schemas)
        # Of interest is only where the second opinion differs.
        refused = {one.ref for one in found if one.check in {"schema", "list-duplicates"}}
        found += [one for one in _kubeconform_findings(objects, verdicts) if one.ref not in refused]
        report.kubeconform = len(known)
    report.findings = sorted(silence(found, objects, ignores), key=sort_key)
    return report


def _schema_findings(objects: ObjectSet, schemas: Schemas) -> Iterator[Finding]:
    for entry in objects.entries:
        valid = schemas.is_valid(entry.object)
        if valid:
            continue
        if valid is None:
            api_version, kind = entry.ref.api_version, entry.kind
            if kind in history().get(api_version, {}):
                continue  # known, but not in this version: removed-api or future-api say so
            near = schemas.near_kind(api_version, kind)
            check = "schema" if schemas.has_version(api_version) else "unknown-kind"
            message = f"no schema of {api_version} {kind} is known{near}"
            yield finding(check, entry.ref, "kind", message, entry.position)
            continue
        for problem in schemas.explain(entry.object):
            yield finding(problem.check, entry.ref, problem.path, problem.message, entry.position)


def _reading_findings(reading: Reading, objects: ObjectSet) -> Iterator[Finding]:
    """Turn what was noticed while reading into findings of the objects it lies in."""
    nowhere = ObjectRef("", "", "", "", "")
    for surprise in reading.surprises:
        inside = [
            entry
            for entry in objects.entries
            if entry.position.file == surprise.position.file and entry.position.line <= surprise.position.line
        ]
        ref = max(inside, key=lambda entry: entry.position.line).ref if inside else nowhere
        message = (
            f"line {surprise.position.line}: {surprise.text} is {surprise.read_as} for kubectl, and not in YAML 1.2"
        )
        yield finding("yaml-surprise", ref, "", message, surprise.position)
    from mlops_nix.documents import Position

    if reading.manifests:
        for file in reading.empty:
            yield finding("empty-file", nowhere, "", "no object in it", Position(file))


def _kubeconform_findings(objects: ObjectSet, verdicts: Iterable[kubeconform.Verdict]) -> Iterator[Finding]:
    by_name = {(entry.kind, entry.name, entry.ref.api_version): entry for entry in objects.entries}
    for verdict in verdicts:
        entry = by_name.get((verdict.kind, verdict.name, verdict.api_version))
        ref = entry.ref if entry else ObjectRef("", verdict.api_version, verdict.kind, "", verdict.name)
        yield finding("kubeconform", ref, "", verdict.message[:300], entry.position if entry else None)
