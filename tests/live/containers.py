"""What a kubelet does to a container of a pod: its environment, its arguments, its files, the rights of its process.

The rules are those of Kubernetes: the order of `env` decides what `$(NAME)` can refer to, a reference to something unknown stays
as it is, a missing Secret keeps the container from starting.
"""

from __future__ import annotations

import base64
import os
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.live.images import Image

Object = dict[str, Any]


class CannotStart(Exception):
    """The kubelet would not start this container; the argument says why."""


def expand(text: str, known: Mapping[str, str]) -> str:
    """Replace `$(NAME)` where NAME is known; `$$` is a dollar sign, everything else stays."""
    result = []
    at = 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            result.append(text[at])
            at += 1
        elif text[at + 1] == "$":
            result.append("$")
            at += 2
        elif text[at + 1] == "(" and (end := text.find(")", at)) > 0:
            name = text[at + 2 : end]
            result.append(known.get(name, text[at : end + 1]))
            at = end + 1
        else:
            result.append(text[at : at + 2])
            at += 2
    return "".join(result)


def configuration(objects: Mapping[tuple[str, str, str], Object], namespace: str, name: str) -> dict[str, bytes] | None:
    """The files of a ConfigMap, or None where there is no such object."""
    found = objects.get(("ConfigMap", namespace, name))
    if found is None:
        return None
    texts = {key: text.encode() for key, text in found.get("data", {}).items()}
    return texts | {key: base64.b64decode(text) for key, text in found.get("binaryData", {}).items()}


class Sources:
    """Where values of containers come from: the ConfigMaps of the set and the Secrets of the test, in one namespace."""

    def __init__(
        self,
        namespace: str,
        objects: Mapping[tuple[str, str, str], Object],
        secrets: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> None:
        self.namespace = namespace
        self._objects = objects
        self._secrets = secrets

    def all(self, kind: str, name: str, *, optional: bool = False) -> dict[str, bytes]:
        if kind == "ConfigMap":
            found = configuration(self._objects, self.namespace, name)
        else:
            secret = self._secrets.get((self.namespace, name))
            found = None if secret is None else {key: value.encode() for key, value in secret.items()}
        if found is None:
            if optional:
                return {}
            raise CannotStart(f"{kind} {self.namespace}/{name} not found")
        return found

    def one(self, kind: str, reference: Object) -> str | None:
        optional = reference.get("optional", False)
        found = self.all(kind, reference["name"], optional=optional)
        if reference["key"] not in found:
            if optional:
                return None
            raise CannotStart(f"{kind} {self.namespace}/{reference['name']} has no key {reference['key']}")
        return found[reference["key"]].decode()


def environment_of(
    container: Object, sources: Sources, fields: Mapping[str, str], links: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a container; `fields` are what the downward API knows, `links` the variables of Services."""
    result: dict[str, str] = {}
    for source in container.get("envFrom", []):
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key in source:
                values = sources.all(kind, source[key]["name"], optional=source[key].get("optional", False))
                result |= {source.get("prefix", "") + name: value.decode() for name, value in values.items()}
    explicit: dict[str, str] = {}
    for variable in container.get("env", []):
        name = variable["name"]
        value: str | None
        origin = variable.get("valueFrom")
        if origin is None:
            value = expand(variable.get("value", ""), {**links, **explicit})
        elif "secretKeyRef" in origin:
            value = sources.one("Secret", origin["secretKeyRef"])
        elif "configMapKeyRef" in origin:
            value = sources.one("ConfigMap", origin["configMapKeyRef"])
        elif "fieldRef" in origin:
            value = fields[origin["fieldRef"]["fieldPath"]]
        else:
            raise CannotStart(f"environment variable {name}: {', '.join(origin)} is not supported here")
        if value is not None:
            explicit[name] = value
    return {**links, **result, **explicit}


def command_of(container: Object, image: Image, environment: Mapping[str, str]) -> list[str]:
    """Command and arguments: `command` takes the place of the image's entry point, `args` of its default arguments."""
    command = [expand(word, environment) for word in container.get("command", [])]
    args = [expand(word, environment) for word in container.get("args", [])]
    if not command and not image.entrypoint and not args:
        raise CannotStart(f"container {container['name']} has no command")
    return (command or image.entrypoint) + args


def fill(folder: Path, source: Object, files: Mapping[str, bytes], group: int) -> None:
    """Write the files of a ConfigMap or Secret volume."""
    wanted = {item["key"]: item["path"] for item in source.get("items", [])} or {key: key for key in files}
    for key, path in wanted.items():
        if key not in files:
            raise CannotStart(f"volume: no key {key}")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files[key])
        target.chmod(source.get("defaultMode", 0o644) | (0o040 if group else 0))
        os.chown(target, 0, group)


def identity(pod: Object, container: Object) -> tuple[int, int, list[int]]:
    """User, group and further groups of a container's process."""
    of_pod = pod.get("securityContext", {})
    of_container = container.get("securityContext", {})
    merged = of_pod | of_container
    user = merged.get("runAsUser", 0)
    if merged.get("runAsNonRoot") and user == 0:
        raise CannotStart(f"container {container['name']} has runAsNonRoot and would run as root")
    groups = list(of_pod.get("supplementalGroups", []))
    if "fsGroup" in of_pod:
        groups.append(of_pod["fsGroup"])
    return user, merged.get("runAsGroup", 0), groups


# What a root file system has besides the programs. No user database but the image's own accounts.
_ETC = "ld.so.cache ld.so.conf ld.so.conf.d ssl nsswitch.conf host.conf gai.conf localtime timezone mime.types services protocols"


def script(
    container: Object,
    pod: Object,
    image: Image,
    mounts: list[tuple[Path, str, bool]],
    environment: Mapping[str, str],
    hosts: Path,
    root: Path,
) -> str:
    """A shell script that makes the container's file system and becomes its process.

    It runs as root in a mount namespace and a process namespace of its own. `mounts` are folder or file of this machine, path in
    the container, whether it is read-only.
    """
    security = container.get("securityContext", {})
    user, group, groups = identity(pod, container)
    quoted = shlex.quote
    lines = [
        "set -eu",
        f"cd {quoted(str(root))}",
        "mount -t tmpfs -o mode=755,size=64m none .",
        # The mount is seen only after entering the folder again.
        f"cd {quoted(str(root))}",
        "mkdir -p usr etc proc dev sys var/log var/lib root home run tmp-host",
        "rmdir tmp-host",
        "mount --bind /usr usr && mount -o remount,ro,bind usr",
        'for link in bin sbin lib lib32 lib64 libx32; do if [ -e "/$link" ]; then ln -s "usr/$link" "$link"; fi; done',
        f'for name in {_ETC}; do if [ -e "/etc/$name" ]; then cp -a "/etc/$name" etc/; fi; done',
        "printf 'root:x:0:0:root:/root:/bin/sh\\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\\n' > etc/passwd",
        "printf 'root:x:0:\\npostgres:x:999:\\n' > etc/group",
        ": > etc/resolv.conf",
        f": > etc/hosts; mount --bind {quoted(str(hosts))} etc/hosts; mount -o remount,ro,bind etc/hosts",
        "mount -t proc -o nosuid,nodev,noexec proc proc",
        "mount -t tmpfs -o mode=755,size=64k none dev",
        "for device in null zero full random urandom tty; do : > dev/$device; mount --bind /dev/$device dev/$device; done",
        "ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr",
        "mkdir dev/shm; mount -t tmpfs -o mode=1777,size=64m none dev/shm",
    ]
    for folder in image.folders:
        lines.append(f"mkdir -p .{quoted(str(folder))}")
        lines.append(f"mount --bind {quoted(str(folder))} .{quoted(str(folder))}")
        lines.append(f"mount -o remount,ro,bind .{quoted(str(folder))}")
    for source, path, read_only in sorted(mounts, key=lambda mount: mount[1].count("/")):
        target = "." + quoted(path)
        if source.is_dir():
            lines.append(f"mkdir -p {target}")
        else:
            lines.append(f"mkdir -p {quoted('.' + os.path.dirname(path))}; : >> {target}")
        lines.append(f"mount --bind {quoted(str(source))} {target}")
        if read_only:
            lines.append(f"mount -o remount,ro,bind {target}")
    # Where no volume is mounted, images have a temporary folder that everyone may write to.
    if not any(path.rstrip("/") == "/tmp" for _, path, _ in mounts):
        lines.append("mkdir -p tmp; chmod 1777 tmp")
    if security.get("readOnlyRootFilesystem"):
        lines.append("mount -o remount,ro .")
    rights = [f"--reuid={user}", f"--regid={group}"]
    rights.append(f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups")
    if not security.get("allowPrivilegeEscalation", True):
        rights.append("--no-new-privs")
    if "ALL" in security.get("capabilities", {}).get("drop", []):
        rights += ["--bounding-set=-all", "--inh-caps=-all"]
    words = [
        *["chroot", str(root), "/usr/bin/setpriv", *rights, "/usr/bin/env", "-i"],
        f"--chdir={container.get('workingDir', '/')}",
        *(f"{name}={value}" for name, value in environment.items()),
        *command_of(container, image, environment),
    ]
    lines.append("exec " + " ".join(map(quoted, words)))
    return "\n".join(lines) + "\n"


def path_of(image: Image) -> str:
    """PATH in a container of this image."""
    return ":".join(
        [*image.path, *(["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"] if image.system else [])]
    )
