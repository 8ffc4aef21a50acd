"""The Pod Security Standards: which pods a namespace with an enforced level refuses, in the server's own words.

Source: k8s.io/pod-security-admission 0.36.3, `policy/check_*.go`; every control, with the versions since which it holds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_nix.objects import as_list, as_map, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mlops_nix.objectset import Container, Pod

PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
LATEST = 1000
"""A minor version newer than all, for ``latest``."""

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"

_DEFAULT_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_VOLUME_TYPES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SYSCTLS = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
}
_SELINUX_TYPES = {"": 0, "container_t": 0, "container_init_t": 0, "container_kvm_t": 0, "container_engine_t": 31}
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


class Violation(NamedTuple):
    """One thing that a level forbids."""

    control: str
    level: str
    path: str
    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})"


class Control(NamedTuple):
    """One control of the standard: its id as a check, its level, the server's reason, and where it is broken."""

    id: str
    level: str
    reason: str
    broken: Callable[[Pod, int], Iterator[tuple[str, str]]]
    summary: str
    fix: str


def _windows(pod: Pod) -> bool:
    return as_map(pod.spec.get("os")).get("name") == "windows"


def _user_namespace(pod: Pod, minor: int) -> bool:
    return minor >= 35 and pod.spec.get("hostUsers") is False  # noqa: PLR2004


def _context(pod: Pod) -> Mapping[str, Any]:
    return as_map(pod.spec.get("securityContext"))


def _named(container: Container) -> str:
    return f"container {json.dumps(container.name)}"


def _contexts(pod: Pod) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield the security contexts of the pod and its containers: path, who, context."""
    yield f"{pod.path}.securityContext", "pod", _context(pod)
    for container in pod.containers:
        yield f"{container.path}.securityContext", _named(container), container.security


def _host_process(pod: Pod, _minor: int) -> Iterator[tuple[str, str]]:
    for path, who, context in _contexts(pod):
        if as_map(context.get("windowsOptions")).get("hostProcess") is True:
            yield (
                f"{path}.windowsOptions.hostProcess",
                f"{who} must not set securityContext.windowsOptions.hostProcess=true",
            )


def _host_namespaces(pod: Pod, _minor: int) -> Iterator[tuple[str, str]]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(field) is True:
            yield f"{pod.path}.{field}", f"{field}=true"


def _privileged(pod: Pod, _minor: int) -> Iterator[tuple[str, str]]:
    for container in pod.containers:
        if container.security.get("privileged") is True:
            detail = f"{_named(container)} must not set securityContext.privileged=true"
            yield f"{container.path}.securityContext.privileged", detail


def _capabilities(pod: Pod, _minor: int) -> Iterator[tuple[str, str]]:
    for container in pod.containers:
        added = as_list(as_map(container.security.get("capabilities")).get("add"))
        bad = sorted({name for name in added if isinstance(name, str) and name not in _DEFAULT_CAPABILITIES})
        if bad:
            names = ", ".join(json.dumps(name) for name in bad)
            detail = f"{_named(container)} must not include {names} in securityContext.capabilities.add"
            yield f"{container.path}.securityContext.capabilities.add", detail


def _host_path(pod: Pod, _minor: int) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(as_list(pod.spec.get("volumes"))):
        volume = as_map(item)
        if volume.get("hostPath") is not None:
            yield f"{pod.path}.volumes[{index}].hostPath", f"volume {json.dumps(as_text(volume.get('name')))}"


def _host_port(pod: Pod, _minor: int) -> Iterator[tuple[str, str]]:
    for container in pod.containers:
        for index, port in enumerate(as_list(container.value.get("ports"))):
            number = as_map(port).get("hostPort")
            if number:
                yield f"{container.path}.ports[{index}].hostPort", f"{_named(container)} uses hostPort {number}"


def _apparmor(pod: Pod, _minor: int) -> Iterator[tuple[str, str]]:
    for path, who, context in _contexts(pod):
        profile = context.get("appArmorProfile")
        if isinstance(profile, dict) and as_text(profile.get("type")) not in {"RuntimeDefault", "Localhost"}:
            found = json.dumps(as_text(profile.get("type")))
            yield f"{path}.appArmorProfile.type", f"{who} must not set AppArmor profile type to {found}"
    for key, value in as_map(pod.meta.get("annotations")).items():
        if key.startswith(_APPARMOR_ANNOTATION) and isinstance(value, str):
            if value and value != "runtime/default" and not value.startswith("localhost/"):
                path = f"{pod.path.removesuffix('spec')}metadata.annotations[{key}]"
                yield path, f'annotation must not set AppArmor profile type to "{key}={json.dumps(value)}"'


def _selinux(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    for path, who, context in _contexts(pod):
        options = as_map(context.get("seLinuxOptions"))
        bad = []
        kind = as_text(options.get("type"))
        if _SELINUX_TYPES.get(kind, LATEST + 1) > minor:
            bad.append(f"type {json.dumps(kind)}")
        bad += [f"{field} may not be set" for field in ("user", "role") if options.get(field)]
        if bad:
            yield f"{path}.seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(bad)}"


def _unmasked(pod: Pod) -> Iterator[tuple[str, str]]:
    for container in pod.containers:
        kind = container.security.get("procMount")
        if kind is not None and kind != "Default":
            detail = f"{_named(container)} must not set securityContext.procMount to {json.dumps(kind)}"
            yield f"{container.path}.securityContext.procMount", detail


def _proc_mount(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    if not _user_namespace(pod, minor):
        yield from _unmasked(pod)


def _proc_mount_restricted(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    if _user_namespace(pod, minor):
        yield from _unmasked(pod)


def _seccomp_unconfined(pod: Pod, _minor: int) -> Iterator[tuple[str, str]]:
    for path, who, context in _contexts(pod):
        profile = context.get("seccompProfile")
        if isinstance(profile, dict) and as_text(profile.get("type")) not in {"RuntimeDefault", "Localhost"}:
            found = json.dumps(as_text(profile.get("type")))
            yield f"{path}.seccompProfile.type", f"{who} must not set securityContext.seccompProfile.type to {found}"


def _sysctls(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(as_list(_context(pod).get("sysctls"))):
        name = as_text(as_map(item).get("name"))
        if _SYSCTLS.get(name, LATEST + 1) > minor:
            yield f"{pod.path}.securityContext.sysctls[{index}].name", name


def _probe_host(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    if minor < 34:  # noqa: PLR2004
        return
    for container in pod.containers:
        lifecycle = as_map(container.value.get("lifecycle"))
        handlers = [(probe, as_map(container.value.get(probe))) for probe in _PROBES]
        handlers += [(f"lifecycle.{hook}", as_map(lifecycle.get(hook))) for hook in ("postStart", "preStop")]
        for place, handler in handlers:
            for field in ("httpGet", "tcpSocket"):
                host = as_map(handler.get(field)).get("host")
                if host:
                    detail = f"{_named(container)} uses probe or lifecycle host {json.dumps(host)}"
                    yield f"{container.path}.{place}.{field}.host", detail


def _volume_types(pod: Pod, _minor: int) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(as_list(pod.spec.get("volumes"))):
        volume = as_map(item)
        kinds = [key for key, value in volume.items() if key != "name" and value is not None]
        if kinds and not _VOLUME_TYPES.intersection(kinds):
            name = json.dumps(as_text(volume.get("name")))
            yield f"{pod.path}.volumes[{index}]", f"volume {name} uses restricted volume type {json.dumps(kinds[0])}"


def _escalation(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    if minor >= 25 and _windows(pod):  # noqa: PLR2004
        return
    for container in pod.containers:
        if container.security.get("allowPrivilegeEscalation") is not False:
            detail = f"{_named(container)} must set securityContext.allowPrivilegeEscalation=false"
            yield f"{container.path}.securityContext.allowPrivilegeEscalation", detail


def _non_root(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    if _user_namespace(pod, minor):
        return
    whole = _context(pod).get("runAsNonRoot")
    if whole is False:
        yield f"{pod.path}.securityContext.runAsNonRoot", "pod must not set securityContext.runAsNonRoot=false"
    for container in pod.containers:
        own = container.security.get("runAsNonRoot")
        path = f"{container.path}.securityContext.runAsNonRoot"
        if own is False:
            yield path, f"{_named(container)} must not set securityContext.runAsNonRoot=false"
        elif own is None and whole is None:
            yield path, f"pod or {_named(container)} must set securityContext.runAsNonRoot=true"


def _root_user(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    if _user_namespace(pod, minor) or minor < 23:  # noqa: PLR2004
        return
    for path, who, context in _contexts(pod):
        user = context.get("runAsUser")
        if user == 0 and user is not False:
            yield f"{path}.runAsUser", f"{who} must not set runAsUser=0"


def _seccomp_missing(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    if (minor >= 25 and _windows(pod)) or _context(pod).get("seccompProfile"):  # noqa: PLR2004
        return
    for container in pod.containers:
        if not container.security.get("seccompProfile"):
            kinds = 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
            yield f"{container.path}.securityContext.seccompProfile", f"pod or {_named(container)} must set {kinds}"


def _drop_all(pod: Pod, minor: int) -> Iterator[tuple[str, str]]:
    if minor < 22 or (minor >= 25 and _windows(pod)):  # noqa: PLR2004
        return
    for container in pod.containers:
        capabilities = as_map(container.security.get("capabilities"))
        path = f"{container.path}.securityContext.capabilities"
        if "ALL" not in as_list(capabilities.get("drop")):
            yield f"{path}.drop", f'{_named(container)} must set securityContext.capabilities.drop=["ALL"]'
        bad = sorted({n for n in as_list(capabilities.get("add")) if isinstance(n, str) and n != "NET_BIND_SERVICE"})
        if bad:
            names = ", ".join(json.dumps(name) for name in bad)
            yield f"{path}.add", f"{_named(container)} must not include {names} in securityContext.capabilities.add"


CONTROLS = (
    Control(
        "host-process",
        BASELINE,
        "hostProcess",
        _host_process,
        "A Windows container runs on the node itself",
        "drop hostProcess",
    ),
    Control(
        "host-namespaces",
        BASELINE,
        "host namespaces",
        _host_namespaces,
        "The pod shares the network, processes or IPC of the node",
        "drop hostNetwork, hostPID and hostIPC",
    ),
    Control(
        "privileged-container",
        BASELINE,
        "privileged",
        _privileged,
        "A container is privileged: root on the node",
        "drop privileged, and add the one capability or device that is needed",
    ),
    Control(
        "added-capabilities",
        BASELINE,
        "non-default capabilities",
        _capabilities,
        "A container adds capabilities beyond the default ones",
        "drop them",
    ),
    Control(
        "host-path",
        BASELINE,
        "hostPath volumes",
        _host_path,
        "The pod mounts a folder of the node",
        "use a PersistentVolumeClaim or emptyDir",
    ),
    Control("host-port", BASELINE, "hostPort", _host_port, "A container takes a port of the node", "use a Service"),
    Control(
        "apparmor-profile",
        BASELINE,
        "forbidden AppArmor profile",
        _apparmor,
        "An AppArmor profile that does not confine",
        "use RuntimeDefault or Localhost",
    ),
    Control(
        "selinux-options",
        BASELINE,
        "seLinuxOptions",
        _selinux,
        "SELinux options that widen rights",
        "drop user, role, or the type",
    ),
    Control("proc-mount", BASELINE, "procMount", _proc_mount, "A container sees the whole of /proc", "drop procMount"),
    Control(
        "seccomp-unconfined",
        BASELINE,
        "seccompProfile",
        _seccomp_unconfined,
        "System calls are not filtered",
        "use RuntimeDefault or Localhost",
    ),
    Control(
        "unsafe-sysctls",
        BASELINE,
        "forbidden sysctls",
        _sysctls,
        "The pod sets kernel parameters that touch others",
        "drop the sysctl",
    ),
    Control(
        "probe-host",
        BASELINE,
        "probe or lifecycle host",
        _probe_host,
        "A probe or hook makes the kubelet connect to another host",
        "drop host: the pod's own address is asked",
    ),
    Control(
        "volume-type",
        RESTRICTED,
        "restricted volume types",
        _volume_types,
        "A volume of a type that a driver of the node mounts",
        "use a PersistentVolumeClaim",
    ),
    Control(
        "privilege-escalation",
        RESTRICTED,
        "allowPrivilegeEscalation != false",
        _escalation,
        "A process of the container may gain rights",
        "set securityContext.allowPrivilegeEscalation: false",
    ),
    Control(
        "run-as-non-root",
        RESTRICTED,
        "runAsNonRoot != true",
        _non_root,
        "A container may run as root",
        "set securityContext.runAsNonRoot: true, and runAsUser if the image names no number",
    ),
    Control("root-user", RESTRICTED, "runAsUser=0", _root_user, "A container runs as root", "set another runAsUser"),
    Control(
        "missing-seccomp",
        RESTRICTED,
        "seccompProfile",
        _seccomp_missing,
        "No seccomp profile is set",
        "set securityContext.seccompProfile.type: RuntimeDefault",
    ),
    Control(
        "capabilities-not-dropped",
        RESTRICTED,
        "unrestricted capabilities",
        _drop_all,
        "A container keeps capabilities",
        "set securityContext.capabilities.drop: [ALL]",
    ),
    Control(
        "proc-mount-restricted",
        RESTRICTED,
        "procMount",
        _proc_mount_restricted,
        "A container of a user namespace sees the whole of /proc",
        "drop procMount",
    ),
)


def violations(pod: Pod, level: str = RESTRICTED, minor: int = LATEST) -> Iterator[Violation]:
    """Yield what a level forbids in a pod.

    Args:
        pod: The pod.
        level: ``privileged``, ``baseline`` or ``restricted``.
        minor: Minor number of the version of the standard, which is that of Kubernetes.
    """
    if level == PRIVILEGED:
        return
    for control in CONTROLS:
        if level == RESTRICTED or control.level == BASELINE:
            for path, detail in control.broken(pod, minor):
                yield Violation(control.id, control.level, path, control.reason, detail)


def strictest_level(pod: Pod, minor: int = LATEST) -> str:
    """Give the strictest level that admits the pod."""
    level = RESTRICTED
    for violation in violations(pod, RESTRICTED, minor):
        if violation.level == BASELINE:
            return PRIVILEGED
        level = BASELINE
    return level
