"""Which kinds the server serves, and where: two requests to the aggregated discovery, with the old form as a fallback.

Source: kube-apiserver 1.36.3 (``apidiscovery.k8s.io/v2``); servers before 1.26 answer with the list of groups only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster.api import error_of, object_path
from mlops_nix.objects import as_list, as_map, as_text, metadata, split_api_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlops_nix.cluster.api import Api
    from mlops_nix.objects import KubernetesObject

_ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind in a version, and where it is served."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` of the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """The path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """Give the path of an object or, without a name, of the collection; a cluster-scoped kind ignores the namespace."""
        return object_path(self.prefix, self.plural, namespace if self.namespaced else "", name)


class Discovery:
    """The kinds of one server.

    Args:
        resources: What is served, the preferred version of each group first.
        stale: Group and version of aggregated APIs that are down: their kinds are not gone, only unknown.
    """

    def __init__(self, resources: Iterable[Resource], stale: Iterable[tuple[str, str]] = ()) -> None:
        self._exact: dict[tuple[str, str, str], Resource] = {}
        self._preferred: dict[tuple[str, str], Resource] = {}
        for resource in resources:
            self._exact.setdefault((resource.group, resource.version, resource.kind), resource)
            self._preferred.setdefault((resource.group, resource.kind), resource)
        self.stale = frozenset(stale)

    def find(self, group: str, version: str, kind: str) -> Resource | None:
        """Find a kind in exactly that version."""
        return self._exact.get((group, version, kind))

    def any_version(self, group: str, kind: str, version: str = "") -> Resource | None:
        """Find a kind in that version, else in the preferred one."""
        return self._exact.get((group, version, kind)) or self._preferred.get((group, kind))

    def is_stale(self, group: str) -> bool:
        """Tell whether nothing certain is known about a group."""
        return any(stale == group for stale, _ in self.stale)

    def preferred(self) -> Iterator[Resource]:
        """Yield each kind once, in its preferred version."""
        yield from self._preferred.values()

    def kinds(self, group: str) -> list[str]:
        """Name the kinds of a group."""
        return sorted({kind for found, kind in self._preferred if found == group})


def load(api: Api, *, patience: float | None = None) -> Discovery:
    """Ask the server what it serves: two requests.

    Args:
        api: The server.
        patience: Seconds for which an unreachable server is tried again; see `Api.send`.

    Raises:
        ClusterError: No answer.
        ApiError: The answer is a refusal.
    """
    resources: list[Resource] = []
    stale: list[tuple[str, str]] = []
    for path in ("/api", "/apis"):
        answer = api.send("GET", path, accept=_ACCEPT, patience=patience)
        if not answer.ok:
            raise error_of(answer, "read what the API server serves")
        if as_text(as_map(answer.value).get("kind")) == "APIGroupDiscoveryList":
            found, old = _aggregated(answer.value)
            resources += found
            stale += old
        else:
            resources += _legacy(api, answer.value, stale)
    return Discovery(resources, stale)


def _aggregated(document: Any) -> tuple[list[Resource], list[tuple[str, str]]]:
    resources: list[Resource] = []
    stale: list[tuple[str, str]] = []
    for entry in as_list(document.get("items")):
        group = as_text(metadata(entry).get("name"))
        for version in as_list(entry.get("versions")):
            name = as_text(version.get("version"))
            if version.get("freshness") == "Stale":
                stale.append((group, name))
            for served in as_list(version.get("resources")):
                kind = as_map(served.get("responseKind"))
                # Subresources such as deployments/scale stand inside; a kind of another group (autoscaling/Scale) is no resource.
                if as_text(kind.get("kind")):
                    resources.append(
                        Resource(
                            group,
                            name,
                            as_text(kind.get("kind")),
                            as_text(served.get("resource")),
                            served.get("scope") == "Namespaced",
                            frozenset(as_list(served.get("verbs"))),
                        )
                    )
    return resources, stale


def _legacy(api: Api, document: Any, stale: list[tuple[str, str]]) -> list[Resource]:
    places = [("", version) for version in as_list(as_map(document).get("versions"))]
    for group in as_list(as_map(document).get("groups")):
        preferred = as_text(as_map(group.get("preferredVersion")).get("version"))
        versions = [as_text(entry.get("version")) for entry in as_list(group.get("versions"))]
        versions.sort(key=lambda version: version != preferred)
        places += [(as_text(group.get("name")), version) for version in versions]
    resources: list[Resource] = []
    for group_name, version in places:
        answer = api.send("GET", f"/apis/{group_name}/{version}" if group_name else f"/api/{version}")
        if not answer.ok:
            # An aggregated API that is down answers 503: unknown, not gone.
            stale.append((group_name, version))
            continue
        resources += [
            Resource(
                group_name,
                version,
                as_text(served.get("kind")),
                as_text(served.get("name")),
                bool(served.get("namespaced")),
                frozenset(as_list(served.get("verbs"))),
            )
            for served in as_list(answer.value.get("resources"))
            if "/" not in as_text(served.get("name"))
        ]
    return resources


def of_definitions(definitions: Iterable[KubernetesObject]) -> Discovery:
    """Give the kinds that CustomResourceDefinitions will serve once they are applied."""
    resources: list[Resource] = []
    for definition in definitions:
        spec = as_map(definition.get("spec"))
        names = as_map(spec.get("names"))
        served = [as_map(version) for version in as_list(spec.get("versions")) if as_map(version).get("served")]
        # The storage version first: it is what a reader without an opinion should use.
        served.sort(key=lambda version: not version.get("storage"))
        resources += [
            Resource(
                as_text(spec.get("group")),
                as_text(version.get("name")),
                as_text(names.get("kind")),
                as_text(names.get("plural")),
                spec.get("scope") == "Namespaced",
                frozenset({"create", "delete", "get", "list", "patch", "update", "watch"}),
            )
            for version in served
        ]
    return Discovery(resources)


def resource_of_definition(obj: KubernetesObject) -> tuple[str, str] | None:
    """Give group and kind that a CustomResourceDefinition defines; nothing for other objects."""
    group, _ = split_api_version(as_text(obj.get("apiVersion")))
    if group != "apiextensions.k8s.io" or obj.get("kind") != "CustomResourceDefinition":
        return None
    spec = as_map(obj.get("spec"))
    return as_text(spec.get("group")), as_text(as_map(spec.get("names")).get("kind"))


# Kinds that the cluster layer itself reads and writes; known without asking.
NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
SECRETS = Resource("", "v1", "Secret", "secrets", namespaced=True)
PODS = Resource("", "v1", "Pod", "pods", namespaced=True)
EVENTS = Resource("", "v1", "Event", "events", namespaced=True)
NODES = Resource("", "v1", "Node", "nodes", namespaced=False)
SERVICES = Resource("", "v1", "Service", "services", namespaced=True)
CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
QUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas", namespaced=True)
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", namespaced=True)
STORAGE_CLASSES = Resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", namespaced=True)
DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
