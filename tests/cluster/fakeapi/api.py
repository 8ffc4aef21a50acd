"""The fake API server: routing, verbs, admission, watches.

    fake = FakeApi()
    server = Server(fake)
    server.start()

It keeps to the real server's codes, reasons and causes where `test_fake_is_honest.py` compares
them, and does nothing that the tests of the cluster layer do not need.
"""

from __future__ import annotations

import base64
import copy
import fnmatch
import itertools
import json
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import fields, rules, status
from .kinds import REVIEWS, VERBS, Kind, builtin, custom
from .serving import Request, Response
from .status import Refusal
from .store import Event, Item, Store, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY_LIMIT = 3145728
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_PARTIAL = re.compile(r"as=PartialObjectMetadata(List)?")
_AGGREGATED = "as=APIGroupDiscoveryList"
_APPLY = ("application/apply-patch+yaml", "application/apply-patch+cbor")
CRD = ("apiextensions.k8s.io", "customresourcedefinitions")
NAMESPACE = ("", "namespaces")


@dataclass(frozen=True)
class Target:
    """What a path names."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


@dataclass(frozen=True)
class Snapshot:
    """The content of a fake cluster at some moment."""

    objects: dict[tuple[str, str], dict[tuple[str, str], Item]]
    revision: int
    served: set[tuple[str, str]]


@dataclass
class Webhook:
    """An admission webhook that exists in the fake only.

    Args:
        name: as messages call it.
        kinds: the kinds it is asked about.
        mode: `down` (500), `denies` (403), `no-dry-run` (400 for dry runs), `up`.
    """

    name: str
    kinds: tuple[str, ...]
    mode: str = "down"
    url: str = "https://127.0.0.1:1/admit"


@dataclass
class FakeApi:
    """One fake cluster.

    Attributes:
        store: what is stored; tests may write to it directly with `put`.
        version: the git version that `/version` reports.
        webhooks: admission webhooks.
        denied: (user, verb, resource) patterns that are forbidden; SelfSubjectAccessReview knows them.
        expired_tokens: tokens that are answered with 401.
        users: token -> user.
        stale: API groups whose aggregated server is down.
        discovery_lag: seconds from a CRD's Established to its being served.
        establish_lag: seconds from a CRD's creation to its Established.
        warnings: (kind, text): a Warning header on writes of that kind.
    """

    store: Store = field(default_factory=Store)
    version: str = "v1.36.3"
    webhooks: list[Webhook] = field(default_factory=list)
    denied: list[tuple[str, str, str]] = field(default_factory=list)
    expired_tokens: set[str] = field(default_factory=set)
    users: dict[str, str] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    discovery_lag: float = 0.0
    establish_lag: float = 0.0
    warnings: list[tuple[str, str]] = field(default_factory=list)
    quotas_enforced: bool = True
    log_of: dict[tuple[str, str], str] = field(default_factory=dict)
    watch_list: bool = True
    watches_closed: int = 0

    def __post_init__(self) -> None:
        self._served: dict[tuple[str, str], float] = {}
        self._addresses = itertools.count(10)
        self._stopped = threading.Event()
        self._continues: dict[str, tuple[list[Item], int]] = {}
        for token_user in ("admin", "engineer", "second-engineer", "restricted"):
            self.users.setdefault(f"{token_user}-token", token_user)
        for name in SYSTEM_NAMESPACES:
            self.put("v1", "Namespace", {"metadata": {"name": name}})

    def stop(self) -> None:
        """End all watches."""
        self._stopped.set()
        with self.store.changed:
            self.store.changed.notify_all()

    # -- direct access for tests and controllers ---------------------------------------------

    def kinds(self) -> list[Kind]:
        """Return all kinds that are served now."""
        found = list(builtin())
        for crd in self.store.items(CRD):
            if (
                self._served.get((crd["spec"]["group"], crd["spec"]["names"]["plural"]), float("inf"))
                <= time.monotonic()
            ):
                found += custom(crd)
        return [kind for kind in found if kind.group not in self.stale]

    def kind(self, api_version: str, kind: str) -> Kind:
        """Return a served kind."""
        return next(one for one in self.kinds() if one.api_version == api_version and one.kind == kind)

    def put(self, api_version: str, kind: str, item: Item, manager: str | None = None) -> Item:
        """Store an object without admission, as if a manager had created or updated it."""
        with self.store.lock:
            known = self.kind(api_version, kind)
            item = copy.deepcopy(item)
            item.update({"apiVersion": api_version, "kind": kind})
            old = self.store.get(known.key, item["metadata"].get("namespace", ""), item["metadata"]["name"])
            if old is None:
                item["metadata"].setdefault("uid", str(uuid.uuid4()))
                if "spec" in item:
                    item["metadata"].setdefault("generation", 1)
                rules.default(item, known, address=self._address)
            if manager:
                author = fields.Manager(manager, "Update", api_version, time=now())
                fields.write_managers(item, fields.update(known.schema, old or {"metadata": {}}, item, author))
            return self.store.put(known, item)

    def find(self, kind: str, name: str, namespace: str = "") -> Item | None:
        """Return a copy of a stored object, by kind and name."""
        with self.store.lock:
            for known in self.kinds():
                if known.kind == kind:
                    item = self.store.get(known.key, namespace, name)
                    if item is not None:
                        return copy.deepcopy(item)
        return None

    def set_status(self, kind: str, name: str, namespace: str, value: Item) -> None:
        """Replace an object's status, as its controller does."""
        with self.store.lock:
            for known in self.kinds():
                item = self.store.get(known.key, namespace, name) if known.kind == kind else None
                if item is not None:
                    changed = {**copy.deepcopy(item), "status": value}
                    author = fields.Manager("controller", "Update", known.api_version, "status", now())
                    fields.write_managers(changed, fields.update(known.schema, item, changed, author))
                    self.store.put(known, changed)
                    return

    def snapshot(self) -> Snapshot:
        """Return all that is stored, to begin from it again with `restore`."""
        with self.store.lock:
            return Snapshot(copy.deepcopy(self.store.objects), self.store.revision, set(self._served))

    def restore(self, snapshot: Snapshot) -> None:
        """Begin from what was stored then."""
        with self.store.lock:
            self.store.objects = copy.deepcopy(snapshot.objects)
            self.store.revision = snapshot.revision
            self.store.history.clear()
            self.store.floor = 0
            self._served = dict.fromkeys(snapshot.served, 0.0)

    def serve(self, crd: Item) -> None:
        """Serve a CRD's kinds after the discovery lag."""
        key = (crd["spec"]["group"], crd["spec"]["names"]["plural"])
        self._served.setdefault(key, time.monotonic() + self.discovery_lag)

    def unserve(self, crd: Item) -> None:
        """Stop serving a CRD's kinds."""
        self._served.pop((crd["spec"]["group"], crd["spec"]["names"]["plural"]), None)

    def _address(self) -> str:
        number = next(self._addresses)
        return f"10.0.{number // 250}.{number % 250 + 1}"

    # -- routing -------------------------------------------------------------------------------

    def user_of(self, token: str) -> str:
        """Return a token's user."""
        return "" if token in self.expired_tokens else self.users.get(token, "")

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        if request.path in ("/readyz", "/livez", "/healthz"):
            return Response(200, b"ok", {"Content-Type": "text/plain"})
        if not request.user:
            raise status.unauthorized()
        if len(request.body) > BODY_LIMIT:
            raise Refusal(413, f"Request entity too large: limit is {BODY_LIMIT}", "RequestEntityTooLarge")
        if request.path == "/version":
            major, minor = self.version.lstrip("v").split(".")[:2]
            return _json({"major": major, "minor": minor, "gitVersion": self.version})
        if request.path.rstrip("/") in ("/api", "/apis") or re.fullmatch(
            r"/(api/v1|apis/[^/]+(/[^/]+)?)/?", request.path
        ):
            return self._discovery(request)
        with self.store.lock:
            target = self._target(request.path)
            return self._verbs(request, target)

    def _target(self, path: str) -> Target:
        parts = [part for part in path.split("/") if part]
        if len(parts) < 3 or parts[0] not in ("api", "apis"):
            raise status.not_served()
        if parts[0] == "api":
            group, version, rest = "", parts[1], parts[2:]
        else:
            group, version, rest = parts[1], parts[2], parts[3:]
        if group in self.stale:
            raise status.unavailable()
        namespace = ""
        if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in ("status", "finalize"):
            namespace, rest = rest[1], rest[2:]
        if not rest:
            raise status.not_served()
        for kind in self.kinds():
            if (kind.group, kind.version, kind.plural) == (group, version, rest[0]):
                if namespace and not kind.namespaced:
                    raise status.not_served()
                name = rest[1] if len(rest) > 1 else ""
                subresource = rest[2] if len(rest) > 2 else ""
                if subresource and subresource not in kind.subresources:
                    raise status.not_served()
                return Target(kind, namespace, name, subresource)
        if any((kind.group, kind.version) == (group, version) for kind in builtin()):
            raise status.unknown_resource()
        raise status.not_served()

    def _verbs(self, request: Request, target: Target) -> Response:
        verb = _verb(request, target)
        self._authorize(request, target, verb)
        if target.kind.kind in REVIEWS:
            return self._review(request, target.kind)
        if target.subresource == "log":
            text = self.log_of.get((target.namespace, target.name), "")
            return Response(200, text.encode(), {"Content-Type": "text/plain"})
        match verb:
            case "get":
                return _json(self._shown(request, self._existing(target)))
            case "list":
                return self._list(request, target)
            case "watch":
                return self._watch(request, target)
            case "create":
                return self._create(request, target)
            case "update":
                return self._update(request, target)
            case "patch":
                return self._patch(request, target)
            case "delete":
                return self._delete(request, target)
            case _:
                raise Refusal(
                    405, "the server does not allow this method on the requested resource", "MethodNotAllowed"
                )

    # -- authorization ---------------------------------------------------------------------------

    def _allowed(self, user: str, verb: str, resource: str, namespace: str) -> bool:
        name = f"{namespace}/{resource}" if namespace else resource
        return not any(
            fnmatch.fnmatchcase(user, who)
            and fnmatch.fnmatchcase(verb, what)
            and (fnmatch.fnmatchcase(resource, where) or fnmatch.fnmatchcase(name, where))
            for who, what, where in self.denied
        )

    def _authorize(self, request: Request, target: Target, verb: str) -> None:
        if target.kind.kind in REVIEWS:
            return
        kind = target.kind
        resource = f"{kind.plural}/{target.subresource}" if target.subresource else kind.plural
        if self._allowed(request.user, verb, resource, target.namespace):
            return
        scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        text = f'User "{request.user}" cannot {verb} resource "{resource}" in API group "{kind.group}" {scope}'
        raise status.forbidden(kind, target.name, text)

    def _review(self, request: Request, kind: Kind) -> Response:
        body = request.json()
        spec = body.get("spec") or {}
        match kind.kind:
            case "SelfSubjectAccessReview":
                asked = spec.get("resourceAttributes") or {}
                resource = asked.get("resource", "")
                if asked.get("subresource"):
                    resource += f"/{asked['subresource']}"
                if "*" in (asked.get("verb"), asked.get("resource")):
                    # Everything is allowed only to those to whom nothing is forbidden.
                    asked_all = any(fnmatch.fnmatchcase(request.user, who) for who, _, _ in self.denied)
                    body["status"] = {"allowed": not asked_all}
                    return _json(body, 201)
                allowed = self._allowed(request.user, asked.get("verb", ""), resource, asked.get("namespace", ""))
                body["status"] = {"allowed": allowed}
            case "SelfSubjectRulesReview":
                restricted = any(fnmatch.fnmatchcase(request.user, who) for who, _, _ in self.denied)
                rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
                body["status"] = {
                    "resourceRules": [] if restricted else [rule],
                    "nonResourceRules": [],
                    "incomplete": restricted,
                }
            case _:
                body["status"] = {"userInfo": {"username": request.user, "groups": ["system:authenticated"]}}
        return _json(body, 201)

    # -- discovery -------------------------------------------------------------------------------

    def _discovery(self, request: Request) -> Response:
        with self.store.lock:
            kinds = self.kinds()
        parts = [part for part in request.path.split("/") if part]
        if len(parts) == 1:
            core = parts[0] == "api"
            groups = [""] if core else list(dict.fromkeys(kind.group for kind in kinds if kind.group))
            if _AGGREGATED in request.headers.get("accept", ""):
                body = self._aggregated(groups, kinds, stale=not core)
                kind_of = {"Content-Type": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
                return _json(body, headers=kind_of)
            if core:
                return _json({"kind": "APIVersions", "versions": ["v1"]})
            listed = [self._group(group, kinds) for group in groups]
            return _json({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})
        group = "" if parts[0] == "api" else parts[1]
        if len(parts) == 2 and parts[0] == "apis":
            if not any(kind.group == group for kind in kinds):
                raise status.not_served()
            return _json({"kind": "APIGroup", "apiVersion": "v1", **self._group(group, kinds)})
        version = parts[-1]
        found = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
        if group in self.stale:
            raise status.unavailable()
        if not found:
            raise status.not_served()
        listed = []
        for kind in found:
            entry = {
                "name": kind.plural,
                "singularName": kind.kind.lower(),
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": _verbs_of(kind),
            }
            listed += [
                entry,
                *(
                    {**entry, "name": f"{kind.plural}/{sub}", "verbs": ["get", "patch", "update"]}
                    for sub in kind.subresources
                ),
            ]
        return _json(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": found[0].api_version, "resources": listed}
        )

    def _group(self, group: str, kinds: list[Kind]) -> Item:
        versions = list(dict.fromkeys(kind.version for kind in kinds if kind.group == group))
        listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        return {"name": group, "versions": listed, "preferredVersion": listed[0]}

    def _aggregated(self, groups: list[str], kinds: list[Kind], *, stale: bool) -> Item:
        items: list[Item] = []
        for group in groups:
            versions = []
            for version in dict.fromkeys(kind.version for kind in kinds if kind.group == group):
                resources = [
                    {
                        "resource": kind.plural,
                        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
                        "scope": "Namespaced" if kind.namespaced else "Cluster",
                        "singularResource": kind.kind.lower(),
                        "verbs": _verbs_of(kind),
                        "subresources": [
                            {
                                "subresource": sub,
                                "verbs": ["get", "patch", "update"],
                                "responseKind": {"kind": kind.kind},
                            }
                            for sub in kind.subresources
                        ],
                    }
                    for kind in kinds
                    if (kind.group, kind.version) == (group, version)
                ]
                versions.append({"version": version, "resources": resources, "freshness": "Current"})
            metadata = {"name": group} if group else {}
            items.append({"metadata": metadata, "versions": versions})
        if stale:
            for group in sorted(self.stale):
                versions = [{"version": "v1", "resources": [], "freshness": "Stale"}]
                items.append({"metadata": {"name": group}, "versions": versions})
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}

    # -- reading ---------------------------------------------------------------------------------

    def _existing(self, target: Target) -> Item:
        item = self.store.get(target.kind.key, target.namespace, target.name)
        if item is None:
            raise status.not_found(target.kind, target.name)
        return _as_version(item, target.kind)

    def _shown(self, request: Request, item: Item) -> Item:
        if _PARTIAL.search(request.headers.get("accept", "")):
            return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
        return item

    def _matching(self, request: Request, target: Target) -> Callable[[Item], bool]:
        labels = _selector(request.query.get("labelSelector", ""))
        wanted_fields = dict(
            part.replace("==", "=").split("=", 1)
            for part in request.query.get("fieldSelector", "").split(",")
            if "=" in part
        )
        name = target.name

        def matches(item: Item) -> bool:
            if target.namespace and item["metadata"].get("namespace", "") != target.namespace:
                return False
            if name and item["metadata"]["name"] != name:
                return False
            return labels(item["metadata"].get("labels") or {}) and all(
                str(_at(item, path)) == value for path, value in wanted_fields.items()
            )

        return matches

    def _list(self, request: Request, target: Target) -> Response:
        matches = self._matching(request, target)
        token = request.query.get("continue")
        if token:
            if token not in self._continues:
                raise status.expired("The provided continue parameter is too old to display a consistent list result.")
            found, revision = self._continues.pop(token)
        else:
            stored = self.store.items(target.kind.key, target.namespace or None)
            found = [_as_version(item, target.kind) for item in stored if matches(item)]
            revision = self.store.revision
        metadata: Item = {"resourceVersion": str(revision)}
        limit = int(request.query.get("limit") or 0)
        if limit and len(found) > limit:
            metadata["continue"] = str(uuid.uuid4())
            metadata["remainingItemCount"] = len(found) - limit
            self._continues[metadata["continue"]] = (found[limit:], revision)
            found = found[:limit]
        partial = bool(_PARTIAL.search(request.headers.get("accept", "")))
        items = [self._shown(request, item) for item in found]
        if partial:
            body = {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": items,
            }
        else:
            # As the real server: the items of a list carry no kind of their own.
            items = [
                {key: value for key, value in item.items() if target.kind.custom or key not in ("kind", "apiVersion")}
                for item in items
            ]
            body = {
                "kind": f"{target.kind.kind}List",
                "apiVersion": target.kind.api_version,
                "metadata": metadata,
                "items": items,
            }
        return _json(body)

    def expire_continues(self) -> None:
        """Make every open continue token too old."""
        self._continues.clear()

    def close_watches(self) -> None:
        """End the watches that are open now, as the server does after its time."""
        with self.store.changed:
            self.watches_closed += 1
            self.store.changed.notify_all()

    def _watch(self, request: Request, target: Target) -> Response:
        matches = self._matching(request, target)
        initial = request.query.get("sendInitialEvents") == "true"
        if initial and not self.watch_list:
            cause = (
                "FieldValueForbidden",
                "sendInitialEvents",
                "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            )
            raise Refusal(
                422,
                f'ListOptions.meta.k8s.io "" is invalid: {cause[1]}: {cause[2]}',
                "Invalid",
                details={"causes": [{"reason": cause[0], "field": cause[1], "message": cause[2]}]},
            )
        start = int(request.query.get("resourceVersion") or 0)
        seconds = float(request.query.get("timeoutSeconds") or 600)
        first = []
        if initial or start == 0:
            first = [_as_version(item, target.kind) for item in self.store.items(target.kind.key) if matches(item)]
            start = self.store.revision
        chunks = self._stream(request, target, matches, start, seconds, first, initial=initial)
        return Response(200, chunks=chunks)

    def _stream(
        self,
        request: Request,
        target: Target,
        matches: Callable[[Item], bool],
        start: int,
        seconds: float,
        first: list[Item],
        *,
        initial: bool,
    ) -> Iterator[bytes]:
        def line(kind: str, item: Item) -> bytes:
            return json.dumps({"type": kind, "object": item}).encode() + b"\n"

        end = time.monotonic() + seconds
        closed = self.watches_closed
        for item in first:
            yield line("ADDED", self._shown(request, item))
        if initial:
            metadata = {"resourceVersion": str(start), "annotations": {"k8s.io/initial-events-end": "true"}}
            bookmark = {"kind": target.kind.kind, "apiVersion": target.kind.api_version, "metadata": metadata}
            yield line("BOOKMARK", bookmark)
        position = start
        while True:
            with self.store.changed:
                events = [event for event in self.store.history if event.revision > position]
                if position < self.store.floor:
                    text = f"too old resource version: {position} ({self.store.floor})"
                    refusal = status.expired(text)
                    yield line("ERROR", refusal.body())
                    return
                if not events:
                    left = end - time.monotonic()
                    if left <= 0 or self._stopped.is_set() or self.watches_closed != closed:
                        return
                    self.store.changed.wait(min(left, 0.5))
                    continue
            for event in events:
                position = event.revision
                shown = self._event(event, target, matches)
                if shown:
                    yield line(shown[0], self._shown(request, shown[1]))

    def _event(self, event: Event, target: Target, matches: Callable[[Item], bool]) -> tuple[str, Item] | None:
        if event.key != target.kind.key:
            return None
        is_in = event.kind != "DELETED" and matches(event.item)
        was_in = event.before is not None and matches(event.before)
        kind = {(True, True): "MODIFIED", (True, False): "ADDED", (False, True): "DELETED"}.get((is_in, was_in))
        return (kind, _as_version(event.item, target.kind)) if kind else None

    # -- writing ---------------------------------------------------------------------------------

    def _create(self, request: Request, target: Target) -> Response:
        if target.subresource:
            raise Refusal(405, "the server does not allow this method on the requested resource", "MethodNotAllowed")
        item = _body(request)
        self._check_envelope(item, target, named=False)
        metadata = item.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        name = metadata.get("name", "")
        if metadata.get("resourceVersion"):
            raise Refusal(500, "resourceVersion should not be set on objects to be created")
        self._namespace_exists(target, name)
        if self.store.get(target.kind.key, target.namespace, name) is not None:
            raise status.already_exists(target.kind, name)
        author = self._author(request, "Update", target.kind)
        _keep_only(item, target)
        fresh: Item = {"metadata": {}}
        fields.write_managers(item, fields.update(target.kind.schema, fresh, item, author))
        return self._save(request, target, None, item)

    def _update(self, request: Request, target: Target) -> Response:
        item = _body(request)
        self._check_envelope(item, target, named=True)
        old = self._existing(target)
        if target.subresource == "scale":
            return self._scale(request, target, old, item)
        return self._replace(request, target, old, item)

    def _replace(self, request: Request, target: Target, old: Item, item: Item) -> Response:
        metadata = item["metadata"]
        if metadata.get("uid") and metadata["uid"] != old["metadata"]["uid"]:
            raise status.conflict(
                target.kind,
                target.name,
                f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {old['metadata']['uid']}",
            )
        revision = metadata.get("resourceVersion")
        if revision and revision != old["metadata"]["resourceVersion"]:
            raise status.modified(target.kind, target.name)
        if target.kind.custom and not revision and request.method == "PUT":
            cause = (
                "FieldValueInvalid",
                "metadata.resourceVersion",
                "Invalid value: 0: must be specified for an update",
            )
            raise status.invalid(target.kind, target.name, [cause])
        kept = {
            key: old["metadata"][key]
            for key in ("uid", "creationTimestamp", "managedFields", "generation", "deletionTimestamp")
            if key in old["metadata"]
        }
        item["metadata"] = {**metadata, **kept}
        new = _with_subresource(old, item, target)
        author = self._author(request, "Update", target.kind, target.subresource)
        rules.default(new, target.kind, address=lambda: (old.get("spec") or {}).get("clusterIP") or self._address())
        if old["metadata"].get("managedFields"):
            fields.write_managers(new, fields.update(target.kind.schema, old, new, author))
        return self._save(request, target, old, new)

    def _patch(self, request: Request, target: Target) -> Response:
        content = request.headers.get("content-type", "").split(";")[0]
        if content in _APPLY:
            return self._apply(request, target)
        old = self._existing(target)
        patch = _body(request)
        if target.subresource == "scale":
            return self._scale(request, target, old, patch)
        if content == "application/json-patch+json":
            new = _json_patch(copy.deepcopy(old), patch, target)
        elif content in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            new = _merge_patch(copy.deepcopy(old), patch)
        else:
            raise Refusal(415, "the body of the request was in an unknown format", "UnsupportedMediaType")
        if "resourceVersion" not in (patch.get("metadata") or {} if isinstance(patch, dict) else {}):
            new["metadata"].pop("resourceVersion", None)
        cleared = isinstance(patch, dict) and (patch.get("metadata") or {}).get("managedFields") == [{}]
        written = new["metadata"].get("managedFields")
        if cleared or written != old["metadata"].get("managedFields"):
            # A client migrates ownership by writing managedFields itself.
            metadata = {**old["metadata"], "managedFields": [] if cleared else written}
            old = {**old, "metadata": metadata}
        return self._replace(request, target, old, new)

    def _scale(self, request: Request, target: Target, old: Item, body: Item) -> Response:
        replicas = (body.get("spec") or {}).get("replicas")
        new = copy.deepcopy(old)
        new["spec"]["replicas"] = replicas
        if any(("f:spec", "f:replicas") in owned for owned in fields.managers_of(old).values()):
            # A scale of replicas that nobody owns is not tracked, as any update of an object without managers.
            author = self._author(request, "Update", target.kind, "scale")
            fields.write_managers(new, fields.update(target.kind.schema, old, new, author))
        return self._save(request, target, old, new)

    def _apply(self, request: Request, target: Target) -> Response:
        patch = _body(request)
        manager = request.query.get("fieldManager")
        if not manager:
            missing = {
                "reason": "FieldValueRequired",
                "message": "Required value: is required for apply patch",
                "field": "fieldManager",
            }
            raise Refusal(
                422,
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
                "Invalid",
                details={"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [missing]},
            )
        self._check_envelope(patch, target, named=True)
        metadata = patch.setdefault("metadata", {})
        if metadata.get("managedFields"):
            raise status.bad_request("metadata.managedFields must be nil")
        kind = target.kind
        old = self.store.get(kind.key, target.namespace, target.name)
        old = _as_version(old, kind) if old is not None else None
        if old is None:
            if metadata.get("uid"):
                text = f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found"
                raise status.conflict(kind, target.name, text)
            self._namespace_exists(target, target.name)
        elif metadata.get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            raise status.modified(kind, target.name)
        elif metadata.get("uid") not in (None, old["metadata"]["uid"]):
            cause = ("FieldValueInvalid", "metadata.uid", f'Invalid value: "{metadata["uid"]}": field is immutable')
            # The real server reports it twice: two of its checks find it.
            raise status.invalid(kind, target.name, [cause, cause])
        try:
            fields.check(kind.schema, patch)
        except fields.SchemaMismatch as mismatch:
            raise status.typed_patch(kind, target.namespace, target.name, str(mismatch)) from None
        for name in ("resourceVersion", "uid", "creationTimestamp", "generation"):
            metadata.pop(name, None)
        if target.subresource == "" and "status" in kind.subresources:
            patch.pop("status", None)
        live = copy.deepcopy(old) if old else {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}}
        author = self._author(request, "Apply", kind, target.subresource)
        applied = fields.apply(kind.schema, live, patch, author, force=request.query.get("force") == "true")
        if applied.conflicts:
            raise status.field_conflicts([(str(other), fields.text(path)) for other, path in applied.conflicts])
        item = copy.deepcopy(applied.item)
        item["apiVersion"] = kind.api_version
        kept = {} if old is None else {"clusterIP": (old.get("spec") or {}).get("clusterIP")}
        item["metadata"].update({"name": target.name, **({"namespace": target.namespace} if kind.namespaced else {})})
        if old is None:
            _keep_only(item, target)
        rules.default(item, kind, address=lambda: kept.get("clusterIP") or self._address())
        fields.write_managers(item, applied.managers)
        return self._save(request, target, old, item)

    def _author(self, request: Request, operation: str, kind: Kind, subresource: str = "") -> fields.Manager:
        name = request.query.get("fieldManager") or request.headers.get("user-agent", "unknown").split("/")[0]
        return fields.Manager(name, operation, kind.api_version, subresource, now())

    def _check_envelope(self, item: Item, target: Target, *, named: bool) -> None:
        if not isinstance(item, dict):
            raise status.bad_request("the object provided is unrecognized")
        kind = target.kind
        metadata = item.setdefault("metadata", {})
        if target.subresource != "scale":
            api_version, name = item.get("apiVersion"), item.get("kind")
            apply = named and "PATCH" in target.subresource
            if (api_version and api_version != kind.api_version) or (name and name != kind.kind) or apply:
                raise status.bad_request(
                    f"{name} in version {json.dumps(api_version)} cannot be handled as a {kind.kind}: "
                    f"converting ({api_version}.{name}) to ({kind.api_version}.{kind.kind}): unknown conversion"
                )
        item["apiVersion"], item["kind"] = kind.api_version, kind.kind
        if named and metadata.get("name") not in (None, target.name):
            raise status.bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
            )
        if kind.namespaced and metadata.get("namespace") not in (None, target.namespace):
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if kind.namespaced:
            metadata["namespace"] = target.namespace
        if named:
            metadata["name"] = target.name

    def _namespace_exists(self, target: Target, name: str) -> None:
        kind = target.kind
        if kind.namespaced:
            namespace = self.store.get(NAMESPACE, "", target.namespace)
            if namespace is None:
                raise Refusal(
                    404,
                    f'namespaces "{target.namespace}" not found',
                    "NotFound",
                    details={"name": target.namespace, "kind": "namespaces"},
                )
            if namespace["metadata"].get("deletionTimestamp"):
                text = f"unable to create new content in namespace {target.namespace} because it is being terminated"
                cause = (
                    "NamespaceTerminating",
                    "metadata.namespace",
                    f"namespace {target.namespace} is being terminated",
                )
                raise status.forbidden(kind, name, text, [cause])
        if kind.custom:
            crd = self.store.get(CRD, "", f"{kind.plural}.{kind.group}")
            if crd and crd["metadata"].get("deletionTimestamp"):
                raise status.forbidden(kind, name, "create not allowed while custom resource definition is terminating")

    def _save(self, request: Request, target: Target, old: Item | None, item: Item) -> Response:
        """Run admission and validation, then store what changed."""
        kind = target.kind
        if old is None:
            rules.default(item, kind, address=self._address)
        self._admit(request, target, old, item)
        invalid = rules.problems(item, kind)
        if not invalid and old is not None:
            invalid = rules.changes(old, item, kind)
        if invalid:
            raise status.invalid(kind, target.name or item["metadata"].get("name", ""), invalid)
        headers = self._warnings(kind)
        code = 201 if old is None else 200
        item["metadata"].pop("resourceVersion", None)
        if old is not None:
            before = {key: value for key, value in old["metadata"].items() if key != "resourceVersion"}
            if {**item, "metadata": item["metadata"]} == {**old, "metadata": before}:
                return _json(old, code, headers)
            if item.get("spec") != old.get("spec") or (kind.custom and _desired(item) != _desired(old)):
                item["metadata"]["generation"] = int(old["metadata"].get("generation", 1)) + 1
        else:
            item["metadata"].setdefault("uid", str(uuid.uuid4()))
            item["metadata"].setdefault("creationTimestamp", now())
            if "spec" in item and kind.kind not in ("Namespace", "Service", "PersistentVolumeClaim"):
                item["metadata"].setdefault("generation", 1)
        if request.dry:
            if old is not None:
                item["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
            return _json(item, code, headers)
        stored = self.store.put(kind, item)
        held = stored["metadata"].get("finalizers") or kind.key == NAMESPACE
        if stored["metadata"].get("deletionTimestamp") and not held:
            self.store.remove(kind.key, target.namespace, target.name)
        return _json(_as_version(stored, kind), code, headers)

    def _warnings(self, kind: Kind) -> dict[str, str]:
        texts = [text for name, text in self.warnings if name == kind.kind]
        return {"Warning": ", ".join(f'299 - "{text}"' for text in texts)} if texts else {}

    # -- admission -------------------------------------------------------------------------------

    def _admit(self, request: Request, target: Target, old: Item | None, item: Item) -> None:
        kind = target.kind
        for webhook in self.webhooks:
            if kind.kind not in webhook.kinds or webhook.mode == "up":
                continue
            if webhook.mode == "down":
                raise status.webhook_down(webhook.name, webhook.url)
            if webhook.mode == "denies":
                text = f'admission webhook "{webhook.name}" denied the request: not today'
                raise Refusal(403, text, "Forbidden")
            if webhook.mode == "no-dry-run" and request.dry:
                raise status.bad_request(f'admission webhook "{webhook.name}" does not support dry run')
        if old is None and kind.namespaced and self.quotas_enforced:
            self._quota(target, item)

    def _quota(self, target: Target, item: Item) -> None:
        kind = target.kind
        counted = f"count/{kind.plural}.{kind.group}" if kind.group else f"count/{kind.plural}"
        name = item["metadata"].get("name", "")
        for quota in self.store.items(("", "resourcequotas"), target.namespace):
            hard = (quota.get("spec") or {}).get("hard") or {}
            for resource in (counted, kind.plural):
                if resource not in hard:
                    continue
                used = sum(1 for _ in self.store.items(kind.key, target.namespace))
                if used + 1 > int(hard[resource]):
                    text = f"exceeded quota: {quota['metadata']['name']}, requested: {resource}=1, used: {resource}={used}, limited: {resource}={hard[resource]}"
                    raise status.forbidden(kind, name, text)
            if kind.kind == "Pod" and "limits.memory" in hard:
                for container in item["spec"]["containers"]:
                    if not ((container.get("resources") or {}).get("limits") or {}).get("memory"):
                        text = f"failed quota: {quota['metadata']['name']}: must specify limits.memory for: {container['name']}"
                        raise status.forbidden(kind, name, text)

    # -- deleting --------------------------------------------------------------------------------

    def _delete(self, request: Request, target: Target) -> Response:
        kind = target.kind
        item = self._existing(target)
        options = _body(request) if request.body else {}
        wanted = options.get("preconditions") or {}
        metadata = item["metadata"]
        if wanted.get("uid") not in (None, metadata["uid"]):
            text = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {metadata['uid']}"
            raise status.conflict(kind, target.name, text)
        if wanted.get("resourceVersion") not in (None, metadata["resourceVersion"]):
            text = f"Precondition failed: ResourceVersion in precondition: {wanted['resourceVersion']}, ResourceVersion in object meta: {metadata['resourceVersion']}"
            raise status.conflict(kind, target.name, text)
        if request.dry or options.get("dryRun"):
            return _json(item)
        finalizers = list(metadata.get("finalizers") or ())
        if options.get("propagationPolicy") == "Foreground" and "foregroundDeletion" not in finalizers:
            finalizers.append("foregroundDeletion")
        if kind.key == CRD and "customresourcecleanup.apiextensions.k8s.io" not in finalizers:
            finalizers.append("customresourcecleanup.apiextensions.k8s.io")
        if not finalizers and kind.key != NAMESPACE:
            self.store.remove(kind.key, target.namespace, target.name)
            details = {"name": target.name, "kind": kind.plural, "uid": metadata["uid"]}
            if kind.group:
                details["group"] = kind.group
            return _json(
                {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
            )
        if metadata.get("deletionTimestamp"):
            return _json(item)
        marked = copy.deepcopy(item)
        marked["metadata"]["deletionTimestamp"] = now()
        marked["metadata"]["deletionGracePeriodSeconds"] = 0
        if finalizers:
            marked["metadata"]["finalizers"] = finalizers
        if kind.key == NAMESPACE:
            marked["status"] = {**(marked.get("status") or {}), "phase": "Terminating"}
        return _json(_as_version(self.store.put(kind, marked), kind))


def _desired(item: Item) -> Item:
    return {key: value for key, value in item.items() if key not in ("metadata", "status")}


def _verb(request: Request, target: Target) -> str:
    if request.method == "GET":
        if request.watch:
            return "watch"
        return "get" if target.name else "list"
    if request.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(request.method, "")


def _verbs_of(kind: Kind) -> list[str]:
    return ["create"] if kind.kind in REVIEWS else list(VERBS)


def _json(body: Any, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(code, json.dumps(body).encode(), headers or {})


def _body(request: Request) -> Any:
    try:
        return request.json()
    except (ValueError, UnicodeDecodeError):
        pass
    if request.headers.get("content-type", "").startswith("application/apply-patch+yaml"):
        import yaml

        try:
            return yaml.safe_load(request.body)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise status.bad_request(f"error decoding YAML: {error}") from None
    raise status.bad_request("the object provided is unrecognized (must be of type Object): couldn't get version/kind")


def _as_version(item: Item, kind: Kind) -> Item:
    return item if item.get("apiVersion") == kind.api_version else {**item, "apiVersion": kind.api_version}


def _keep_only(item: Item, target: Target) -> None:
    """Drop what a create does not store: server-owned metadata, and status behind its subresource."""
    for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "deletionTimestamp"):
        item["metadata"].pop(name, None)
    if "status" in target.kind.subresources and target.kind.kind != "Node":
        item.pop("status", None)


def _with_subresource(old: Item, item: Item, target: Target) -> Item:
    """Return what a write through this path may change: the status only, or all but the status."""
    if target.subresource == "status":
        metadata = {**old["metadata"], "managedFields": old["metadata"].get("managedFields", [])}
        return {**copy.deepcopy(old), "metadata": metadata, "status": item.get("status", {})}
    if "status" in target.kind.subresources:
        without = {key: value for key, value in item.items() if key != "status"}
        return {**without, "status": old["status"]} if "status" in old else without
    return item


def _merge_patch(value: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, one in patch.items():
        if one is None:
            result.pop(key, None)
        else:
            result[key] = _merge_patch(result.get(key), one)
    return result


def _json_patch(value: Item, operations: list[Item], target: Target) -> Item:
    for operation in operations:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        node: Any = value
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        key: Any = int(last) if isinstance(node, list) and last != "-" else last
        match operation["op"]:
            case "test":
                found = node[key] if isinstance(node, list) else node.get(key)
                if found != operation["value"]:
                    raise status.invalid(target.kind, target.name, [])
            case "remove":
                del node[key]
            case "add" if isinstance(node, list):
                node.append(operation["value"]) if key == "-" else node.insert(key, operation["value"])
            case _:
                node[key] = operation["value"]
    return value


def _at(item: Any, path: str) -> Any:
    for part in path.split("."):
        item = item.get(part, "") if isinstance(item, dict) else ""
    return item


def _selector(text: str) -> Callable[[dict[str, str]], bool]:
    tests: list[Callable[[dict[str, str]], bool]] = []
    for part in re.split(r",(?![^(]*\))", text):
        word = part.strip()
        if not word:
            continue
        if found := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", word):
            key, options = found[1], {one.strip() for one in found[3].split(",")}
            inside = found[2] == "in"
            tests.append(lambda labels, key=key, options=options, inside=inside: (labels.get(key) in options) == inside)  # type: ignore[misc]
        elif "!=" in word:
            key, value = word.split("!=")
            tests.append(lambda labels, key=key, value=value: labels.get(key) != value)  # type: ignore[misc]
        elif "=" in word:
            key, value = word.replace("==", "=").split("=")
            tests.append(lambda labels, key=key, value=value: labels.get(key) == value)  # type: ignore[misc]
        elif word.startswith("!"):
            tests.append(lambda labels, key=word[1:]: key not in labels)  # type: ignore[misc]
        else:
            tests.append(lambda labels, key=word: key in labels)  # type: ignore[misc]
    return lambda labels: all(test(labels) for test in tests)


def decoded(secret: Item) -> dict[str, bytes]:
    """Return a Secret's data."""
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
