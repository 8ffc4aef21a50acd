"""Pod Security: a check for each control of the standard, and one for the level that a namespace enforces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nix.findings import ERROR, INFO, WARNING, Family, Problem
from mlops_nix.objects import as_text
from mlops_nix.objectset import version_minor
from mlops_nix.podsecurity import BASELINE, CONTROLS, ENFORCE_LABEL, LATEST, LEVELS, Control, violations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlops_nix.findings import Run
    from mlops_nix.objectset import ObjectSet

CHECKS = Family("pod_security")

_ALSO = {
    "host-namespaces": ("host-network", "host-pid", "host-ipc"),
    "privileged-container": ("privileged-container", "container-security-context-privileged"),
    "host-path": ("sensitive-host-mounts", "docker-sock"),
    "host-port": ("hostPortSet",),
    "unsafe-sysctls": ("unsafe-sysctls",),
    "proc-mount": ("unsafe-proc-mount",),
    "privilege-escalation": ("privilege-escalation-container",),
    "run-as-non-root": ("run-as-non-root",),
    "missing-seccomp": ("container-seccomp-profile",),
    "capabilities-not-dropped": ("drop-net-raw-capability", "linuxHardening"),
    "added-capabilities": ("dangerousCapabilities",),
}


def _run(control: Control) -> Run:
    def run(objects: ObjectSet) -> Iterable[Problem]:
        for pod in objects.pods if control.level != BASELINE else objects.every_pod:
            for path, detail in control.broken(pod, objects.minor or LATEST):
                yield Problem(pod.entry, path, f"{control.reason} ({detail})")

    run.__doc__ = (
        f"The level {control.level} of the Pod Security Standards forbids it: {control.reason}. "
        "A namespace that enforces the level refuses the pod."
    )
    return run


for _control in CONTROLS:
    CHECKS.check(
        _control.id,
        WARNING if _control.level == BASELINE else INFO,
        _control.summary,
        fix=_control.fix,
        also=_ALSO.get(_control.id, ()),
    )(_run(_control))


@CHECKS.check(
    "pod-security-enforced",
    ERROR,
    "The namespace refuses the pod",
    fix="change the pod as the message says, or lower the level of the namespace",
)
def pod_security_enforced(objects: ObjectSet) -> Iterator[Problem]:
    """The workload itself is accepted with a warning, but none of its pods is ever created."""
    for pod in objects.pods:
        namespace = objects.find("", "Namespace", "", pod.entry.namespace)
        if namespace is None:
            continue
        level = as_text(namespace.labels.get(ENFORCE_LABEL))
        if level not in LEVELS:
            continue
        version = as_text(namespace.labels.get(f"{ENFORCE_LABEL}-version")) or "latest"
        minor = version_minor(version) if version != "latest" else objects.minor or LATEST
        found = [str(violation) for violation in violations(pod, level, minor)]
        if found:
            message = f'violates PodSecurity "{level}:{version}": {", ".join(found)}'
            yield Problem(pod.entry, pod.path, message)


@CHECKS.check(
    "pod-security-level",
    ERROR,
    "The Pod Security label of a namespace is not valid",
    fix="use privileged, baseline or restricted",
)
def pod_security_level(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the namespace, or enforces nothing."""
    prefix = "pod-security.kubernetes.io/"
    for entry in objects.of("", "Namespace"):
        for mode in ("enforce", "audit", "warn"):
            level = entry.labels.get(prefix + mode)
            if level is not None and level not in LEVELS:
                yield Problem(
                    entry, f"metadata.labels[{prefix}{mode}]", f"expected one of {', '.join(LEVELS)}, found {level}"
                )
