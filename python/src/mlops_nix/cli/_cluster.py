"""What the commands that talk to a cluster share: options, the way from a target to a set, signals."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from mlops_nix.cli._command import DescribedCommand, crd_options
from mlops_nix.cli._progress import JsonLines, Printer, printer
from mlops_nix.errors import ExitCode, InputError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mlops_nix.cluster.api import Stop
    from mlops_nix.cluster.conflicts import ConflictPolicy
    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet
    from mlops_nix.cluster.plan import Policy
    from mlops_nix.console import Console
    from mlops_nix.objects import KubernetesObject

CLUSTER_OPTIONS = ("kubeconfig", "context", "as_user", "as_groups", "as_uid", "parallel")
SET_OPTIONS = ("set_name", "namespace", "inventory_namespace", "source", "offline", "eval_timeout", "show_trace")
CONFLICT_OPTIONS = ("force_conflicts", "keep_field", "keep_manager", "take_ownership")

EXIT_CODES: Mapping[ExitCode, str] = {
    ExitCode.INVALID: "the set cannot be used; nothing was written",
    ExitCode.REFUSED: "a conflict, a refusal, an immutable field, or a missing right",
    ExitCode.UNREACHABLE: "the cluster cannot be reached, or did not answer in time",
}


class Terminated(Interrupted):
    """Another process asked the run to end."""

    code = "terminated"
    exit_code = ExitCode.TERMINATED


class ClusterCommand(DescribedCommand):
    """A command that talks to a cluster."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give ``--force-conflicts`` without a field the meaning of all fields."""
        rewritten = ["--force-conflicts=*" if argument == "--force-conflicts" else argument for argument in args]
        return super().parse_args(ctx, rewritten)


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which cluster, and as whom; named as kubectl names them."""
    for option in (
        click.option(
            "--parallel",
            type=click.IntRange(1, 64),
            default=8,
            show_default=True,
            help="Requests at the same time at most.",
        ),
        click.option("--as-uid", metavar="UID", help="UID to act as."),
        click.option(
            "--as-group", "as_groups", multiple=True, metavar="GROUP", help="Group to act as. May be repeated."
        ),
        click.option("--as", "as_user", metavar="USER", help="User to act as, as for kubectl."),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig; by default the current one."),
        click.option(
            "--kubeconfig", metavar="FILE", help="By default KUBECONFIG, ~/.kube/config, or the pod's service account."
        ),
    ):
        command = option(command)
    return command


def set_options(*, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the argument TARGET and what belongs to it.

    Args:
        required: A target must be given; otherwise ``--set`` alone names a set that is on the cluster.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option(
                "--inventory-namespace",
                metavar="NAMESPACE",
                help="Where the inventory of the set lies, if not at its default place.",
            ),
            click.option(
                "-n", "--namespace", metavar="NAMESPACE", help="For objects that name none; by default the context's."
            ),
            click.option(
                "--set",
                "set_name",
                metavar="NAME",
                help="Name of the set; by default the platform's own, or the file's.",
            ),
            click.option("--show-trace", is_flag=True, help="Show Nix's own trace of an evaluation error."),
            click.option(
                "--eval-timeout",
                type=click.FloatRange(min=0, min_open=True),
                default=300.0,
                show_default=True,
                metavar="SECONDS",
                help="How long the evaluation may take.",
            ),
        ):
            command = option(command)
        command = crd_options(command)
        return click.argument("target", metavar="TARGET" if required else "[TARGET]", required=required)(command)

    return decorate


def conflict_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options about fields that other managers own."""
    for option in (
        click.option(
            "--take-ownership",
            multiple=True,
            metavar="MANAGER",
            help="Take fields of this manager: helm, kubectl, or its exact name. May be repeated.",
        ),
        click.option(
            "--keep-manager",
            multiple=True,
            metavar="MANAGER",
            help="Leave fields of this manager to it. May be repeated.",
        ),
        click.option(
            "--keep-field",
            multiple=True,
            metavar="FIELD",
            help="Leave this field, and what is below it, to its owner. May be repeated.",
        ),
        click.option(
            "--force-conflicts",
            multiple=True,
            metavar="[=FIELD]",
            help="Take fields that others own: all, or this one and what is below it (=.spec.replicas).",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class ClusterChoice:
    """Which cluster, and as whom."""

    kubeconfig: str | None = None
    context: str | None = None
    as_user: str | None = None
    as_groups: tuple[str, ...] = ()
    as_uid: str | None = None
    parallel: int = 8


@dataclass(frozen=True)
class SetChoice:
    """Which set."""

    target: str | None
    set_name: str | None = None
    namespace: str | None = None
    inventory_namespace: str | None = None
    source: str | None = None
    offline: bool = False
    eval_timeout: float = 300.0
    show_trace: bool = False


def chosen(values: dict[str, Any]) -> tuple[SetChoice, ClusterChoice]:
    """Take the shared options out of a command's arguments.

    Args:
        values: All arguments; those taken are removed.
    """
    names = ("target", *SET_OPTIONS)
    target = {name: values.pop(name) for name in names if name in values}
    cluster = {name: values.pop(name) for name in CLUSTER_OPTIONS if name in values}
    return SetChoice(**target), ClusterChoice(**cluster)


@dataclass
class Session:
    """A connected cluster, and who hears of what happens.

    Args:
        cluster: The cluster.
        console: The streams.
        printer: Prints events.
        run: Id of the run, in JSON Lines.
    """

    cluster: Cluster
    console: Console
    printer: Printer
    run: str
    asking: threading.Event

    def line(self, document: dict[str, Any]) -> None:
        """Print a document among the JSON Lines."""
        if isinstance(self.printer, JsonLines):
            self.printer.line(document)

    def ask(self, question: str) -> bool:
        """Ask a person; only where one reads."""
        self.printer.pause()
        self.asking.set()
        try:
            return click.confirm(question, default=False, err=True)
        finally:
            self.asking.clear()


# Seconds that requests in flight get after a signal.
_STOP_SECONDS = 10.0


def _abandon(stop: Stop, console: Console) -> None:
    """End the process although requests are in flight: a server that hangs must not hold up who wants to leave.

    A run may end anywhere; the next one goes on from there, and sees that the holder of the lock is gone.
    """
    console.error("error: stopped; requests that are still in flight were abandoned")
    console.error("  hint: run the same command again: it goes on from there")
    console.stdout.flush()
    os._exit(ExitCode.TERMINATED if stop.signal == "SIGTERM" else ExitCode.INTERRUPTED)


@contextlib.contextmanager
def connected(choice: ClusterChoice, console: Console) -> Iterator[Session]:
    """Connect, and end cleanly on a signal: the requests in flight are finished, then `Interrupted` is raised.

    Args:
        choice: Which cluster.
        console: The streams.
    """
    from mlops_nix.cluster.api import Stop
    from mlops_nix.cluster.connection import connect

    run = uuid.uuid4().hex[:8]
    shown = printer(console, run)
    stop = Stop()
    asking = threading.Event()
    previous: dict[int, Any] = {}
    timers: list[threading.Timer] = []

    def handle(number: int, frame: Any) -> None:
        del frame
        if asking.is_set() or stop.requested:
            # A question is open, or the user asks for the second time: at once.
            raise KeyboardInterrupt
        stop.set(signal.Signals(number).name)
        console.error("stopping after the requests in flight; once more stops at once")
        abandon = threading.Timer(_STOP_SECONDS, _abandon, (stop, console))
        abandon.daemon = True
        abandon.start()
        timers.append(abandon)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, handle)
    try:
        cluster = connect(
            kubeconfig=choice.kubeconfig,
            context=choice.context,
            as_user=choice.as_user,
            as_groups=choice.as_groups,
            as_uid=choice.as_uid,
            listener=shown,
            stop=stop,
            limit=choice.parallel,
        )
        yield Session(cluster, console, shown, run, asking)
    except Interrupted as error:
        if stop.signal == "SIGTERM":
            raise Terminated(error.message, hint=error.hint) from error
        raise
    finally:
        shown.close()
        for timer in timers:
            timer.cancel()
        for held, handler in previous.items():
            signal.signal(held, handler)


def load_set(choice: SetChoice, console: Console, cluster: Cluster | None) -> DesiredSet:
    """Load a target as the set that the cluster layer takes.

    Args:
        choice: Which set.
        console: Where progress goes.
        cluster: Says where objects belong that name no namespace; without it they stay as they are.

    Raises:
        InputError: It cannot be read.
    """
    from dataclasses import replace

    from mlops_nix.cli._command import load_target
    from mlops_nix.cluster.desired import from_document

    if choice.target is None:
        raise InputError("no target was given", hint="name a Nix file, a rendered folder or manifests")
    try:
        loaded = load_target(choice.target, console, timeout=choice.eval_timeout, show_trace=choice.show_trace)
    except UnicodeDecodeError as error:
        raise InputError(
            f"holds text that is not valid UTF-8: {error.reason} at byte {error.start}", path=choice.target
        ) from error
    definitions = _definitions(loaded, choice, console)
    desired = from_document(loaded.document, definitions)
    if choice.set_name:
        desired = replace(desired, name=choice.set_name)
    for text in desired.warnings:
        console.warning(text)
    if loaded.kind == "manifests" and cluster is not None and any(not item.ref.namespace for item in desired.items):
        from mlops_nix.cluster.placement import in_namespace

        desired = in_namespace(desired, choice.namespace or cluster.namespace, cluster.discovery)
    return desired


def _definitions(loaded: Any, choice: SetChoice, console: Console) -> Sequence[KubernetesObject]:
    if not loaded.document.crds:
        return ()
    from mlops_nix import yamlio
    from mlops_nix.crds import CrdStore

    store = CrdStore.from_environment(choice.source, offline=choice.offline, warn=console.warning)
    fetched = loaded.fetch_crds(
        store, lambda crd: console.done(f"fetched {crd.file.name}") if crd.origin == "network" else None
    )
    found: list[KubernetesObject] = []
    for file in fetched:
        documents = yamlio.load_documents(file.content, file.file.file)
        found += [
            document
            for document in documents
            if isinstance(document, dict) and document.get("kind") == "CustomResourceDefinition"
        ]
    return found


# Names under which tools write fields. Source: each tool's default field manager.
_TOOLS = {
    "helm": ("helm", "Helm"),
    "kubectl": (
        "kubectl",
        "kubectl-client-side-apply",
        "kubectl-create",
        "kubectl-edit",
        "kubectl-patch",
        "kubectl-replace",
    ),
}


def managers_of(names: Sequence[str]) -> tuple[str, ...]:
    """Give the field managers behind names of tools; another name stands for itself."""
    found: dict[str, None] = {}
    for name in names:
        for manager in _TOOLS.get(name.lower(), (name,)):
            found[manager] = None
    return tuple(found)


def conflict_policy(values: dict[str, Any]) -> ConflictPolicy:
    """Take the options about conflicts out of a command's arguments."""
    from mlops_nix.cluster.conflicts import ConflictPolicy

    forced = values.pop("force_conflicts", ())
    return ConflictPolicy(
        force_all="*" in forced,
        force_fields=tuple(field for field in forced if field != "*"),
        force_managers=managers_of(values.pop("take_ownership", ())),
        keep_fields=tuple(values.pop("keep_field", ())),
        keep_managers=tuple(values.pop("keep_manager", ())),
    )


def prune_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options about objects that left the set."""
    for option in (
        click.option(
            "--prune-recovered", is_flag=True, help="Prune also in a run whose inventory had to be rebuilt from labels."
        ),
        click.option("--prune-data", is_flag=True, help="Prune PersistentVolumeClaims too, and with them their data."),
        click.option(
            "--prune-crds", is_flag=True, help="Prune CustomResourceDefinitions too, and with them all their objects."
        ),
        click.option(
            "--prune-namespaces", is_flag=True, help="Prune Namespaces too, and with them everything in them."
        ),
        click.option(
            "--prune/--no-prune", default=True, help="Delete objects that left the set (shown first).  [default: prune]"
        ),
    ):
        command = option(command)
    return command


PRUNE_OPTIONS = ("prune", "prune_namespaces", "prune_crds", "prune_data", "prune_recovered")


def policy_of(name: str, values: dict[str, Any]) -> Policy:
    """Make the policy of a run out of a command's arguments; those taken are removed.

    Args:
        name: Name of the set.
        values: All arguments.
    """
    from mlops_nix.cluster.plan import Policy

    return Policy(
        name,
        conflict_policy(values),
        recreate=tuple(values.pop("recreate", ())),
        prune=bool(values.pop("prune", True)),
        prune_namespaces=bool(values.pop("prune_namespaces", False)),
        prune_definitions=bool(values.pop("prune_crds", False)),
        prune_claims=bool(values.pop("prune_data", False)),
        prune_recovered=bool(values.pop("prune_recovered", False)),
    )
