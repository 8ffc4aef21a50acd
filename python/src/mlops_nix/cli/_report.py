"""Printing plans and reports for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nix.cluster.plan import Action
from mlops_nix.cluster.plan_text import summary, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nix.cli._cluster import Session
    from mlops_nix.cluster.plan import Plan
    from mlops_nix.cluster.report import Report
    from mlops_nix.console import Colour, Console

_COLOURS: dict[str, Colour] = {"+": "green", "~": "yellow", "±": "magenta", "-": "red", "!": "red", "=": "bright_black"}


def print_plan(plan: Plan, console: Console) -> None:
    """Write a plan to stdout, a line per object that is not as it should be, and the counts."""
    for line in text_of(plan):
        colour = _COLOURS.get(line[:1])
        console.answer(console.style(line, colour) if colour else line)
    console.answer(summary(plan.counts()))


def confirmation(session: Session, *, yes: bool, question: str = "Apply this?") -> Callable[[Plan], bool]:
    """Give what shows a plan and asks for a yes.

    Args:
        session: The session.
        yes: The user said yes on the command line.
        question: What is asked.
    """
    from mlops_nix.console import is_terminal
    from mlops_nix.errors import InputError

    console = session.console

    def confirm(plan: Plan) -> bool:
        if console.json:
            session.line({"type": "plan", **plan.to_json()})
        else:
            session.printer.pause()
            print_plan(plan, console)
            console.stdout.flush()
        if yes or not plan.changes_anything:
            return True
        deletes = [step for step in (*plan.steps, *plan.prunes) if step.action in {Action.PRUNE, Action.REPLACE}]
        import sys

        if not console.json and is_terminal(sys.stdin) and is_terminal(console.stderr):
            return session.ask(question)
        if deletes:
            raise InputError(
                f"{len(deletes)} objects would be deleted, and nobody can be asked: {', '.join(str(step.ref) for step in deletes[:5])}",
                hint="say --yes, or --no-prune to leave them",
            )
        return True

    return confirm


def print_report(report: Report, session: Session, *, target: str = "") -> None:
    """Write the end of a run to stdout: what was done, what is not ready and why, and where things can be reached."""
    console = session.console
    if console.json:
        session.line(report.to_json())
        return
    failed = [result for result in report.results if result.action in {"failed", "skipped"}]
    if failed:
        console.answer(console.style(f"{len(failed)} objects were not applied:", "red", bold=True))
        for result in failed:
            first, *rest = result.reason.splitlines() or [""]
            console.answer(f"  {result.ref}: {first}")
            for line in rest:
                console.answer(f"    {line}")
            if result.hint:
                console.answer(f"    hint: {result.hint}")
    if report.unready:
        console.answer(console.style(f"{len(report.unready)} objects are not ready:", "yellow", bold=True))
        for entry in report.unready:
            lines = entry.explanation.lines() or ["no reason is known"]
            console.answer(f"  {entry.ref}: {lines[0]}")
            for line in lines[1:]:
                console.answer(f"    {line}")
    counts = report.counts() or report.plan.counts()
    told = ", ".join(f"{number} {action}" for action, number in counts.items()) or "no objects"
    seconds = f"{report.seconds:.1f} s, {report.requests} requests"
    words = {
        "ok": f"{report.set}: {told}" + ("; everything is ready" if report.operation == "apply" else ""),
        "unchanged": f"{report.set}: nothing to do; {told}"
        if report.operation == "apply"
        else f"{report.set}: nothing of it is on this cluster",
        "planned": f"{report.set}: planned only, nothing was written",
        "declined": f"{report.set}: declined, nothing was written",
        "incomplete": f"{report.set}: incomplete: {told}",
        "not-ready": f"{report.set}: applied, but not ready: {told}",
    }
    text = f"{words.get(report.outcome, report.outcome)} ({seconds})"
    if report.ok:
        console.done(text)
    else:
        console.failed(text)
    if report.outcome == "ok" and report.endpoints:
        console.answer("Inside the cluster:")
        for component, name, url in report.endpoints:
            console.answer(f"  {component} {name}: {url}")
        console.answer(_forwarding(report.endpoints[0][2]))
    if not report.ok and target:
        console.answer(f"`mlops-nix status {target}` shows the set; the same command again goes on from here")


def _forwarding(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = (parts.hostname or "").split(".")
    service, namespace = host[0], host[1] if len(host) > 1 else "default"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"From here: kubectl -n {namespace} port-forward svc/{service} {port}:{port}"
