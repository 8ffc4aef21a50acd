"""A validation report in the formats of those who read it: people, JUnit, SARIF."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from mlops_nix.findings import Finding, Severity, all_checks

if TYPE_CHECKING:
    from mlops_nix.console import Colour, Console
    from mlops_nix.validation import Report

_COLOURS: dict[Severity, Colour] = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def plural(number: int, word: str) -> str:
    """Count things: ``1 error``, ``1,785 objects``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _group(found: Finding) -> tuple[str, str]:
    place = f"{found.position.file}:{found.position.line}" if found.position else ""
    if not found.ref.kind:
        return place or "the set", ""
    return str(found.ref), place


def text(report: Report, console: Console, *, everything: bool = False, strict: bool = False) -> None:
    """Write a report for people: findings by object, then a summary.

    Args:
        report: The report.
        console: Where to.
        everything: Show infos and silenced findings, too.
        strict: Warnings count as errors.
    """
    for problem in report.problems:
        console.answer(f"{console.style('unreadable', 'red', bold=True)}  {problem}")
        if problem.hint:
            console.answer(f"            {console.style(problem.hint, 'bright_black')}")
    if report.problems:
        console.answer("")
    shown = [
        found
        for found in report.findings
        if everything or (found.silenced is None and found.severity is not Severity.INFO)
    ]
    for (name, place), group in groupby(shown, key=_group):
        console.answer(f"{console.style(name, bold=True)}  {console.style(place, 'bright_black')}".rstrip())
        for found in group:
            word = "silenced" if found.silenced is not None else found.severity.value
            colour = "bright_black" if found.silenced is not None else _COLOURS[found.severity]
            where = f"{found.path}: " if found.path else ""
            label = console.style(f"{word:<8}", colour)
            console.answer(f"  {label} {where}{found.message}  {console.style(f'[{found.check}]', 'bright_black')}")
            after = f"accepted: {found.silenced}" if found.silenced is not None else found.fix
            if after:
                console.answer(f"           {console.style(after, 'bright_black')}")
        console.answer("")
    console.answer(summary(report, console, everything=everything, strict=strict))


def summary(report: Report, console: Console, *, everything: bool, strict: bool) -> str:
    """Give the last line of a report."""
    errors, warnings, infos = (report.count(severity) for severity in (Severity.ERROR, Severity.WARNING, Severity.INFO))
    parts = [plural(errors, "error"), plural(warnings, "warning")]
    if report.problems:
        parts.insert(0, f"{len(report.problems)} unreadable")
    if infos:
        parts.append(plural(infos, "info") + ("" if everything else " (--all shows them)"))
    if report.silenced:
        parts.append(f"{report.silenced} silenced")
    valid = report.valid(strict=strict)
    verdict = console.style("valid" if valid else "invalid", "green" if valid else "red", bold=True)
    also = f"; kubeconform looked at {report.kubeconform:,}" if report.kubeconform is not None else ""
    return f"{verdict}: {plural(len(report.objects), 'object')} for Kubernetes {report.kubernetes_version}, {', '.join(parts)}{also}"


def _place(found: Finding) -> str:
    return f"{found.path}: " if found.path else ""


def junit(report: Report, *, strict: bool = False) -> str:
    """Give a report as JUnit XML: a test case for each object, a failure for each error."""
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    by_ref: dict[Any, list[Finding]] = {ref: [] for ref in report.objects}
    for found in report.findings:
        if found.silenced is None and found.severity in failing:
            by_ref.setdefault(found.ref, []).append(found)
    lines = []
    for problem in report.problems:
        message = quoteattr(str(problem))
        lines.append(
            f'    <testcase classname="files" name={quoteattr(problem.path or "input")}><error message={message}/></testcase>'
        )
    for ref, findings in by_ref.items():
        name = f"classname={quoteattr(ref.kind or 'set')} name={quoteattr(str(ref).strip() or 'the set')}"
        if not findings:
            lines.append(f"    <testcase {name}/>")
            continue
        lines.append(f"    <testcase {name}>")
        lines += [
            f"      <failure type={quoteattr(found.check)} message={quoteattr(_place(found) + found.message)}/>"
            for found in findings
        ]
        lines.append("    </testcase>")
    failures = sum(map(len, by_ref.values()))
    counts = f'tests="{len(by_ref) + len(report.problems)}" failures="{failures}" errors="{len(report.problems)}"'
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n  <testsuite name="mlops-nix validate" {counts}>\n'
    return head + "\n".join(lines) + "\n  </testsuite>\n</testsuites>"


def sarif(report: Report) -> dict[str, Any]:
    """Give a report as SARIF 2.1.0, which code hosts show beside the lines of a change."""
    checks = all_checks()
    used = sorted({found.check for found in report.findings})
    results: list[dict[str, Any]] = []
    for found in report.findings:
        result: dict[str, Any] = {
            "ruleId": found.check,
            "level": _SARIF_LEVELS[found.severity],
            "message": {"text": f"{found.ref}: {_place(found)}{found.message}"},
        }
        if found.position is not None:
            region = {"startLine": found.position.line}
            location = {"artifactLocation": {"uri": found.position.file}, "region": region}
            result["locations"] = [{"physicalLocation": location}]
        if found.silenced is not None:
            result["suppressions"] = [{"kind": "external", "justification": found.silenced}]
        results.append(result)
    rules = [
        {
            "id": one,
            "shortDescription": {"text": checks[one].summary},
            "help": {"text": f"{checks[one].why} {checks[one].fix}"},
        }
        for one in used
    ]
    tool = {"driver": {"name": "mlops-nix", "rules": rules}}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": tool, "results": results}],
    }
