"""One run at a time per set: a Lease, renewed while the run lasts, with a fence before every write.

A Lease by POST (409 where there is one) or PUT with ``resourceVersion`` (409 where somebody else wrote) is a sound lock. Times in it
are the server's (from its ``Date`` header), so that clocks of two machines need not agree. The holder's name carries the process,
so that a run killed on the same machine does not block the next one for the length of a lease.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import events
from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.clock import micro_timestamp, parse_timestamp
from mlops_nix.cluster.discovery import LEASES
from mlops_nix.errors import ClusterError, Locked
from mlops_nix.objects import as_map, as_text, metadata

if TYPE_CHECKING:
    from mlops_nix.cluster.api import Api
    from mlops_nix.objects import KubernetesObject

DURATION = 30
"""Seconds after which a Lease that is not renewed counts as abandoned."""

RENEWAL = 10.0
"""Seconds between two renewals."""

# Seconds by which servers of one cluster may disagree about the time, and a request may be under way.
_MARGIN = 5.0


def machine() -> str:
    """Give a word that is one for all processes that can see each other's process ids."""
    parts: list[str] = []
    for path in ("/proc/sys/kernel/random/boot_id",):
        try:
            parts.append(Path(path).read_text(encoding="ascii").strip())
        except OSError:
            parts.append(socket.gethostname())
    try:
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append("")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:10]


def _start_time(pid: int) -> str:
    """Give the start time of a process, which tells it from a later one with the same number; empty for a dead one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # Fields 3 and 22; the name in field 2 may hold blanks and parentheses.
    fields = stat.rpartition(")")[2].split()
    # A killed process that nobody waited for (the first process of a container often does not) is dead all the same.
    return "" if fields[0] in {"Z", "X"} else fields[19]


def holder_name(run: str) -> str:
    """Name this process as the holder of a lock.

    Args:
        run: Id of the run.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    pid = os.getpid()
    return f"{user}@{socket.gethostname()}/{run}/{machine()}/{pid}/{_start_time(pid)}"


def is_dead(holder: str) -> bool:
    """Tell whether a holder was a process of this machine that no longer runs; no is the answer where that is unknown."""
    parts = holder.split("/")
    if len(parts) != 5 or parts[2] != machine() or not parts[3].isdigit() or not parts[4]:  # noqa: PLR2004
        return False
    return _start_time(int(parts[3])) != parts[4]


class Lock:
    """The lock of one set.

    Args:
        api: The server.
        namespace: Where the Lease lies.
        set_name: Name of the set.
        run: Id of the run.
    """

    def __init__(self, api: Api, namespace: str, set_name: str, run: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = f"mlops-nix-{set_name}"
        self._holder = holder_name(run)
        self._lease: KubernetesObject | None = None
        self._valid_until = 0.0
        self._lost = ""
        self._guard = threading.Lock()
        self._finished = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether this run holds the lock, as far as it knows."""
        return self._lease is not None and not self._lost

    def acquire(self, *, wait: float = 0.0) -> None:
        """Take the lock, waiting for the holder at most that long.

        Args:
            wait: Seconds; 0 does not wait.

        Raises:
            Locked: Somebody else holds it.
        """
        until = self._api.clock.monotonic() + wait
        told = ""
        while True:
            holder, since = self._try_acquire()
            if not holder:
                return
            left = until - self._api.clock.monotonic()
            if left <= 0:
                raise Locked(
                    f"the set is locked by {_readable(holder)} since {since}",
                    hint="wait for that run, or give --lock-timeout to wait here; a run that died gives it up after "
                    f"{DURATION} s",
                )
            if holder != told:
                told = holder
                self._api.listener(
                    events.Noticed(text=f"waiting for {_readable(holder)}, who holds the lock since {since}")
                )
            self._api.stop.check()
            self._api.clock.sleep(min(2.0, left))

    def _try_acquire(self) -> tuple[str, str]:
        """Try once; give the holder and since when, or empty texts where the lock is now ours."""
        answer = self._api.get(LEASES, self._namespace, self._name)
        if answer.outcome in {Outcome.NOT_FOUND, Outcome.NAMESPACE_MISSING}:
            return self._write(None)
        if not answer.ok:
            raise error_of(answer, f"read the lock {self._namespace}/{self._name}")
        found = answer.value
        spec = as_map(found.get("spec"))
        holder = as_text(spec.get("holderIdentity"))
        since = as_text(spec.get("acquireTime"))
        if holder and holder != self._holder and not self._abandoned(spec, holder):
            return holder, since
        if holder and holder != self._holder:
            self._api.listener(
                events.Noticed(text=f"took over the lock of {_readable(holder)}, which is no longer renewed")
            )
        return self._write(found)

    def _abandoned(self, spec: Any, holder: str) -> bool:
        if is_dead(holder):
            return True
        renewed = parse_timestamp(as_text(spec.get("renewTime")))
        duration = spec.get("leaseDurationSeconds")
        seconds = duration if isinstance(duration, int) else DURATION
        return renewed is None or self._api.server_now() > renewed + seconds + _MARGIN

    def _write(self, found: KubernetesObject | None) -> tuple[str, str]:
        asked = self._api.clock.monotonic()
        now = micro_timestamp(self._api.server_now())
        lease: KubernetesObject = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": DURATION,
                "acquireTime": now,
                "renewTime": now,
            },
        }
        if found is None:
            answer = self._api.create(LEASES, lease, self._namespace)
        else:
            lease["metadata"]["resourceVersion"] = metadata(found).get("resourceVersion")
            answer = self._api.replace(LEASES, lease, self._namespace, self._name)
        if answer.ok:
            self._lease = answer.value
            self._valid_until = asked + DURATION
            self._lost = ""
            return "", ""
        if answer.outcome in {Outcome.EXISTS, Outcome.STALE, Outcome.NOT_FOUND}:
            # Somebody was faster, or an answer of ours got lost and the Lease is ours already: look again.
            return self._try_acquire_again()
        raise error_of(answer, f"take the lock {self._namespace}/{self._name}")

    def _try_acquire_again(self) -> tuple[str, str]:
        answer = self._api.get(LEASES, self._namespace, self._name)
        if not answer.ok:
            return "somebody/else", "just now"
        spec = as_map(answer.value.get("spec"))
        holder = as_text(spec.get("holderIdentity"))
        if holder == self._holder:
            self._lease = answer.value
            self._valid_until = self._api.clock.monotonic() + DURATION / 2
            return "", ""
        return holder or "somebody/else", as_text(spec.get("acquireTime"))

    def renew(self) -> None:
        """Renew the Lease; a refusal means that the lock is lost. No answer changes nothing: time will tell."""
        with self._guard:
            if self._lease is None or self._lost:
                return
            asked = self._api.clock.monotonic()
            lease = {
                **self._lease,
                "spec": {**as_map(self._lease.get("spec")), "renewTime": micro_timestamp(self._api.server_now())},
            }
            try:
                answer = self._api.replace(LEASES, lease, self._namespace, self._name, unstoppable=True, patience=5.0)
            except ClusterError:
                return
            if answer.ok:
                self._lease = answer.value
                self._valid_until = asked + DURATION
            elif answer.outcome in {Outcome.STALE, Outcome.NOT_FOUND}:
                # A renewal whose answer got lost also leaves a newer version behind.
                holder, since = self._try_acquire_again()
                if holder:
                    self._lost = f"{_readable(holder)} holds it since {since}"

    def valid(self) -> bool:
        """Tell whether the lock is surely ours now."""
        return not self._lost and self._lease is not None and self._api.clock.monotonic() < self._valid_until - _MARGIN

    def check(self) -> None:
        """Raise `Locked` unless the lock is surely ours; called before each write.

        After a pause of the process (a suspended machine), the Lease may have run out: then it is renewed first, which fails where
        somebody else has taken it in between.
        """
        if self._lease is None:
            return
        if not self._lost and self._api.clock.monotonic() >= self._valid_until - _MARGIN:
            self.renew()
        if not self.valid():
            raise Locked(
                f"the lock was lost while this run went on: {self._lost or 'it could not be renewed in time'}",
                hint="nothing was written after that; run the command again",
            )

    def keep(self) -> None:
        """Renew the Lease in the background until `release`."""

        def renew_regularly() -> None:
            while not self._finished.wait(RENEWAL):
                self.renew()

        self._thread = threading.Thread(target=renew_regularly, name="mlops-nix-lock", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Give the lock back, also after an interrupt; trouble doing so is not worth an error, as the Lease runs out."""
        self._finished.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)
        with self._guard:
            if self._lease is None or self._lost:
                return
            meta = metadata(self._lease)
            try:
                self._api.delete(
                    LEASES,
                    self._namespace,
                    self._name,
                    uid=as_text(meta.get("uid")),
                    resource_version=as_text(meta.get("resourceVersion")),
                    unstoppable=True,
                )
            except ClusterError as error:
                self._api.listener(
                    events.Warned(text=f"the lock could not be given back and runs out by itself: {error}")
                )
            self._lease = None


def clear_abandoned(api: Api, namespace: str, set_name: str) -> bool:
    """Remove the Lease of a run that died after its last write, so that nothing of it stays behind.

    Returns:
        Whether there was one.
    """
    name = f"mlops-nix-{set_name}"
    answer = api.get(LEASES, namespace, name, patience=5.0)
    if not answer.ok:
        return False
    holder = as_text(as_map(answer.value.get("spec")).get("holderIdentity"))
    if holder and is_dead(holder):
        meta = metadata(answer.value)
        api.delete(
            LEASES, namespace, name, uid=as_text(meta.get("uid")), resource_version=as_text(meta.get("resourceVersion"))
        )
        return True
    return False


def _readable(holder: str) -> str:
    who, _, rest = holder.partition("/")
    parts = rest.split("/")
    pid = parts[2] if len(parts) == 4 else ""  # noqa: PLR2004
    return f"{who} (process {pid})" if pid else who
