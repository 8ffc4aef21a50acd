"""Every check finds what it is for, says it in the right words, and leaves the nearest right thing alone."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlops_nix.documents import Position
from mlops_nix.findings import all_checks, run_checks
from mlops_nix.objectset import ObjectSet
from mlops_nix.validation import validate
from mlops_nix.yamlio import Manifest, Reading, read

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]


def merge(base: Any, change: Any) -> Any:
    """Lay a change over a value: maps are merged, None removes, everything else replaces."""
    if isinstance(base, dict) and isinstance(change, dict):
        result = dict(base)
        for key, value in change.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merge(result[key], value) if key in result else copy.deepcopy(value)
        return result
    return copy.deepcopy(change)


def obj(api_version: str, kind: str, name: str, namespace: str | None = "ml", **fields: Any) -> Object:
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return merge({"apiVersion": api_version, "kind": kind, "metadata": metadata}, fields)


CONTAINER: Object = {
    "name": "web",
    "image": "ghcr.io/acme/web:1.2.3",
    "ports": [{"name": "http", "containerPort": 8080}],
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
    "livenessProbe": {"tcpSocket": {"port": "http"}},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
}
POD: Object = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}


def workload(
    kind: str = "Deployment",
    name: str = "web",
    *,
    spec: Any = None,
    pod: Any = None,
    container: Any = None,
    more: Any = (),
    **fields: Any,
) -> Object:
    """Give a workload that no check complains about, changed as asked."""
    containers = [merge(CONTAINER, container or {}), *more]
    template = {"metadata": {"labels": {"app": name}}, "spec": merge({**POD, "containers": containers}, pod or {})}
    base: Object = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return obj("apps/v1", kind, name, spec=merge(base, spec or {}), **fields)


def job(name: str = "train", *, pod: Any = None, spec: Any = None) -> Object:
    template = {
        "spec": merge(
            {**POD, "restartPolicy": "Never", "containers": [merge(CONTAINER, {"livenessProbe": None})]}, pod or {}
        )
    }
    return obj("batch/v1", "Job", name, spec=merge({"ttlSecondsAfterFinished": 60, "template": template}, spec or {}))


def service(name: str = "web", *, spec: Any = None, **fields: Any) -> Object:
    base = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return obj("v1", "Service", name, spec=merge(base, spec or {}), **fields)


def policy(name: str = "all", selector: Any = None) -> Object:
    return obj(
        "networking.k8s.io/v1", "NetworkPolicy", name, spec={"podSelector": selector or {}, "policyTypes": ["Ingress"]}
    )


def namespace(name: str = "ml", **labels: str) -> Object:
    return obj(
        "v1",
        "Namespace",
        name,
        None,
        metadata={"labels": {key.replace("__", "/"): value for key, value in labels.items()}},
    )


def config(name: str = "settings", **data: str) -> Object:
    return obj("v1", "ConfigMap", name, data=data or {"a": "b"})


def secret(name: str = "keys", **fields: Any) -> Object:
    return obj("v1", "Secret", name, **fields)


def claim(name: str = "data", *modes: str) -> Object:
    spec = {"accessModes": list(modes or ["ReadWriteMany"]), "resources": {"requests": {"storage": "1Gi"}}}
    return obj("v1", "PersistentVolumeClaim", name, spec=spec)


def ingress(
    name: str = "web", *, host: str = "web.example.com", service: str = "web", port: Any = None, tls: bool = True
) -> Object:
    backend = {"service": {"name": service, "port": port or {"name": "http"}}}
    spec: Object = {
        "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    }
    if tls:
        spec["tls"] = [{"hosts": [host], "secretName": "web-tls"}]
    return obj("networking.k8s.io/v1", "Ingress", name, spec=spec)


def pdb(name: str = "web", **spec: Any) -> Object:
    base = {
        "selector": {"matchLabels": {"app": "web"}},
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return obj("policy/v1", "PodDisruptionBudget", name, spec=merge(base, spec))


def autoscaler(name: str = "web", **spec: Any) -> Object:
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return obj(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        name,
        spec=merge({"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5, "metrics": [metric]}, spec),
    )


def role(kind: str, rules: list[Object], name: str = "web") -> Object:
    return obj("rbac.authorization.k8s.io/v1", kind, name, None if kind == "ClusterRole" else "ml", rules=rules)


def binding(kind: str, role_name: str, subjects: list[Object], *, role_kind: str = "ClusterRole") -> Object:
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role_name}
    return obj(
        "rbac.authorization.k8s.io/v1",
        kind,
        "web",
        None if kind == "ClusterRoleBinding" else "ml",
        roleRef=ref,
        subjects=subjects,
    )


def account(name: str = "web") -> Object:
    return obj("v1", "ServiceAccount", name)


def monitor(kind: str, labels: Object, port: str) -> Object:
    field = "endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"
    return obj(
        "monitoring.coreos.com/v1", kind, "web", spec={"selector": {"matchLabels": labels}, field: [{"port": port}]}
    )


def webhook(port: int, name: str = "web") -> Object:
    client = {"service": {"name": name, "namespace": "ml", "port": port, "path": "/"}}
    hook = {"name": "web.example.com", "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    return obj("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "web", None, webhooks=[hook])


def crd(name: str, plural: str = "widgets") -> Object:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": plural, "kind": "Widget"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", name, None, spec=spec)


def volume(**source: Any) -> Object:
    """Give the change of a pod that mounts one volume."""
    return {"volumes": [{"name": "data", **source}]}


MOUNT = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
SIDECAR = merge(
    CONTAINER, {"name": "side", "ports": None, "livenessProbe": {"exec": {"command": ["true"]}}, "readinessProbe": None}
)
SA_WEB = {"kind": "ServiceAccount", "name": "web", "namespace": "ml"}
SELECTS_WEB = {"matchLabels": {"app": "web"}}


class Case(NamedTuple):
    """A set with the mistake, a word of the message, and a set without it."""

    check: str
    bad: list[Object]
    says: str
    good: list[Object]


def in_container(check: str, change: Any, says: str, better: Any = None) -> Case:
    return Case(check, [workload(container=change)], says, [workload(container=better or {})])


def in_pod(check: str, change: Any, says: str, better: Any = None) -> Case:
    return Case(check, [workload(pod=change)], says, [workload(pod=better or {})])


CASES = [
    # names
    Case(
        "duplicate-object", [config(), config()], "ConfigMap ml/settings is also made at", [config(), config("other")]
    ),
    Case(
        "duplicate-object",
        [obj("apps/v1", "X", "a"), obj("apps/v1beta1", "X", "a")],
        "is also made",
        [config(), secret("settings")],
    ),
    Case(
        "missing-name",
        [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}],
        "only generateName",
        [config()],
    ),
    Case("missing-name", [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}], "found none", [config()]),
    Case("invalid-name", [config("ML_Platform")], "did you mean ml-platform?", [config("ml.platform")]),
    Case("invalid-name", [service("1web")], "a letter, then", [service("web1")]),
    Case("invalid-name", [service("a" * 64)], "64 characters; expected at most 63", [service("a" * 63)]),
    Case("invalid-name", [obj("batch/v1", "CronJob", "a" * 53)], "at most 52", [obj("batch/v1", "CronJob", "a" * 52)]),
    Case("invalid-name", [role("Role", [], "a/b")], "no '/'", [role("Role", [], "system:Node_1")]),
    Case(
        "invalid-name", [obj("v1", "ConfigMap", "a", "My_Ns")], 'found "My_Ns"', [obj("v1", "ConfigMap", "a", "my-ns")]
    ),
    Case(
        "invalid-label",
        [merge(config(), {"metadata": {"labels": {"a b": "c"}}})],
        '"a b"',
        [merge(config(), {"metadata": {"labels": {"a.io/b": "c"}}})],
    ),
    Case(
        "invalid-label",
        [merge(config(), {"metadata": {"labels": {"v": 1.5}}})],
        "quote it",
        [merge(config(), {"metadata": {"labels": {"v": "1.5"}}})],
    ),
    Case("invalid-label", [workload(spec={"template": {"metadata": {"labels": {"x": "a b"}}}})], '"a b"', [workload()]),
    Case(
        "invalid-annotation",
        [merge(config(), {"metadata": {"annotations": {"a": True}}})],
        "quote it",
        [merge(config(), {"metadata": {"annotations": {"A.io/b_c": "true"}}})],
    ),
    Case("cluster-scoped-namespace", [obj("v1", "Namespace", "ml", "ml")], "Namespace has no namespace", [namespace()]),
    Case(
        "server-fields",
        [merge(config(), {"metadata": {"uid": "1"}})],
        "written by the server",
        [merge(config(), {"metadata": {"finalizers": ["a/b"]}})],
    ),
    Case("server-fields", [merge(config(), {"metadata": {"managedFields": [{}]}})], "refuses every apply", [config()]),
    Case(
        "server-fields", [merge(config(), {"metadata": {"ownerReferences": [{}]}})], "collected as garbage", [config()]
    ),
    Case("config-too-large", [config(a="x" * (2**20 + 1))], "1048577 bytes", [config(a="x" * (2**20))]),
    Case("config-too-large", [secret(data={"a": "x" * 1500000})], "1125000 bytes", [secret(data={"a": "x" * 1300000})]),
    Case("object-too-large", [config(a="x" * (1536 * 1024))], "expected at most 1572864", [config(a="x" * 2**20)]),
    Case(
        "annotations-too-large",
        [merge(config(), {"metadata": {"annotations": {"a": "x" * 2**18}}})],
        "262145 bytes",
        [merge(config(), {"metadata": {"annotations": {"a": "x" * 1000}}})],
    ),
    Case("crd-name", [crd("widget.example.com")], "expected widgets.example.com", [crd("widgets.example.com")]),
    Case("invalid-key", [config(**{"a/b": "c"})], '"a/b"', [config(**{"a_b-c.d": "e"})]),
    Case("invalid-key", [merge(config(a="1"), {"binaryData": {"a": "YQ=="}})], "also in data", [config()]),
    # selectors
    Case(
        "selector-mismatch",
        [workload(spec={"selector": {"matchLabels": {"app": "wep"}}})],
        'expected "wep" on the pod template, found "web"',
        [workload()],
    ),
    Case(
        "selector-mismatch",
        [workload(spec={"selector": {"matchLabels": {"ap": "web", "app": None}}})],
        "did you mean app?",
        [workload()],
    ),
    Case(
        "selector-mismatch",
        [
            workload(
                spec={
                    "selector": {
                        "matchLabels": None,
                        "matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}],
                    }
                }
            )
        ],
        "does not match",
        [
            workload(
                spec={
                    "selector": {
                        "matchLabels": None,
                        "matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}],
                    }
                }
            )
        ],
    ),
    Case(
        "service-without-pods",
        [workload(), service(spec={"selector": {"app": "wep"}})],
        "no pod has app=wep",
        [workload(), service()],
    ),
    Case(
        "service-without-pods",
        [
            workload(spec={"template": {"metadata": {"labels": {"tier": "a"}}}}),
            service(spec={"selector": {"tier": "b"}}),
        ],
        "no pod has app=web, tier=b; Deployment ml/web comes nearest, with tier=a",
        [workload(), service(spec={"type": "ExternalName", "externalName": "x.y"})],
    ),
    Case(
        "service-without-pods",
        [service()],
        "no pod has",
        [workload("StatefulSet"), service(spec={"selector": {"statefulset.kubernetes.io/pod-name": "web-0"}})],
    ),
    Case(
        "network-policy-without-pods",
        [workload(), policy(selector={"matchLabels": {"app": "x"}})],
        "no pod has app=x",
        [workload(), policy(selector=SELECTS_WEB)],
    ),
    Case("pdb-without-pods", [pdb()], "no pod has app=web", [workload(), pdb()]),
    Case(
        "overlapping-selectors",
        [workload(), workload("StatefulSet")],
        "also selects the pods of",
        [workload(), workload(name="other")],
    ),
    Case(
        "overlapping-pdbs", [workload(), pdb(), pdb("other")], "as PodDisruptionBudget ml/web does", [workload(), pdb()]
    ),
    Case(
        "overlapping-autoscalers",
        [workload(), autoscaler(), autoscaler("two")],
        "already scaled by HorizontalPodAutoscaler ml/web",
        [workload(), autoscaler()],
    ),
    Case("pod-without-network-policy", [workload()], "no NetworkPolicy of namespace ml", [workload(), policy()]),
    Case(
        "monitor-without-target",
        [service(), monitor("ServiceMonitor", {"app": "x"}, "http")],
        "no Service of ml has the labels app=x",
        [service(metadata={"labels": {"app": "x"}}), monitor("ServiceMonitor", {"app": "x"}, "http")],
    ),
    Case(
        "monitor-without-target",
        [service(metadata={"labels": {"app": "x"}}), monitor("ServiceMonitor", {"app": "x"}, "htpp")],
        "did you mean http?",
        [service()],
    ),
    Case(
        "monitor-without-target",
        [workload(), monitor("PodMonitor", {"app": "web"}, "metrics")],
        "no selected pod has a port metrics",
        [workload(), monitor("PodMonitor", {"app": "web"}, "http")],
    ),
    Case(
        "monitor-without-target",
        [monitor("PodMonitor", {"app": "web"}, "http")],
        "no pod has the labels",
        [workload(), monitor("PodMonitor", {"app": "web"}, "http")],
    ),
    in_pod(
        "affinity-matches-nothing",
        {"topologySpreadConstraints": [{"maxSkew": 1, "labelSelector": {"matchLabels": {"app": "x"}}}]},
        "not select the pod itself",
        {"topologySpreadConstraints": [{"maxSkew": 1, "labelSelector": SELECTS_WEB}]},
    ),
    in_pod(
        "affinity-matches-nothing",
        {
            "affinity": {
                "podAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {"matchLabels": {"app": "x"}}}]
                }
            }
        },
        "no pod has app=x",
        {
            "affinity": {
                "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": SELECTS_WEB}]}
            }
        },
    ),
    # references
    Case(
        "missing-configmap",
        [workload(pod=volume(configMap={"name": "setings"})), config()],
        "did you mean settings?",
        [workload(pod=volume(configMap={"name": "settings"})), config()],
    ),
    Case(
        "missing-configmap",
        [workload(container={"envFrom": [{"configMapRef": {"name": "x"}}]})],
        "ConfigMap ml/x is not in the set",
        [workload(container={"envFrom": [{"configMapRef": {"name": "x", "optional": True}}]})],
    ),
    Case(
        "missing-configmap",
        [workload(pod=volume(projected={"sources": [{"configMap": {"name": "x"}}]}))],
        "ml/x",
        [workload(pod=volume(projected={"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}))],
    ),
    Case(
        "missing-secret",
        [workload(container={"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]})],
        "nothing makes Secret ml/x",
        [workload(pod=volume(secret={"secretName": "keys"})), secret()],
    ),
    Case(
        "missing-secret",
        [workload(pod={"imagePullSecrets": [{"name": "x"}]})],
        "ml/x",
        [workload(pod={"imagePullSecrets": [{"name": "x"}]}), obj("external-secrets.io/v1", "ExternalSecret", "x")],
    ),
    Case(
        "missing-key",
        [
            workload(pod=volume(configMap={"name": "settings", "items": [{"key": "setting.yml", "path": "a"}]})),
            config(**{"settings.yml": "x"}),
        ],
        "no key setting.yml; did you mean settings.yml?",
        [workload(pod=volume(configMap={"name": "settings", "items": [{"key": "a", "path": "a"}]})), config()],
    ),
    Case(
        "missing-key",
        [
            workload(container={"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "b"}}}]}),
            secret(stringData={"a": "x"}),
        ],
        "has no key b",
        [
            workload(container={"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "b"}}}]}),
            secret(),
        ],
    ),
    in_pod("missing-service-account", {"serviceAccountName": "web"}, "ServiceAccount ml/web is not in the set"),
    Case(
        "missing-service-account",
        [workload(pod={"serviceAccountName": "wbe"}), account()],
        "ml/wbe",
        [workload(pod={"serviceAccountName": "web"}), account()],
    ),
    Case(
        "missing-pvc",
        [workload(pod=volume(persistentVolumeClaim={"claimName": "data"}))],
        "PersistentVolumeClaim ml/data",
        [workload(pod=volume(persistentVolumeClaim={"claimName": "data"})), claim()],
    ),
    Case(
        "missing-volume",
        [workload(container=MOUNT)],
        "the pod has no volume data",
        [workload(container=MOUNT, pod=volume(emptyDir={}))],
    ),
    Case(
        "missing-volume",
        [workload("StatefulSet", container=MOUNT)],
        "no volume data",
        [workload("StatefulSet", container=MOUNT, spec={"volumeClaimTemplates": [{"metadata": {"name": "data"}}]})],
    ),
    Case(
        "unused-volume",
        [workload(pod=volume(emptyDir={}))],
        "no container mounts data",
        [workload(container=MOUNT, pod=volume(emptyDir={}))],
    ),
    Case("missing-service", [ingress(service="wep"), service()], "did you mean web?", [ingress(), service()]),
    Case("missing-service", [webhook(443, "x")], "Service ml/x is not in the set", [webhook(80), service()]),
    Case(
        "missing-service",
        [workload("StatefulSet", spec={"serviceName": "web"})],
        "no names in DNS",
        [workload("StatefulSet", spec={"serviceName": "web"}), service()],
    ),
    Case(
        "missing-service",
        [
            obj(
                "gateway.networking.k8s.io/v1",
                "HTTPRoute",
                "web",
                spec={"rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
            )
        ],
        "Service ml/web",
        [
            obj(
                "gateway.networking.k8s.io/v1",
                "HTTPRoute",
                "web",
                spec={"rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
            ),
            service(),
        ],
    ),
    in_pod(
        "missing-priority-class",
        {"priorityClassName": "gold"},
        "PriorityClass gold",
        {"priorityClassName": "system-node-critical"},
    ),
    Case(
        "missing-runtime-class",
        [workload(pod={"runtimeClassName": "nvidia"})],
        "RuntimeClass nvidia",
        [
            workload(pod={"runtimeClassName": "nvidia"}),
            obj("node.k8s.io/v1", "RuntimeClass", "nvidia", None, handler="nvidia"),
        ],
    ),
    Case(
        "missing-role",
        [binding("RoleBinding", "web", [], role_kind="Role")],
        "Role ml/web is not in the set",
        [binding("RoleBinding", "web", [], role_kind="Role"), role("Role", [])],
    ),
    Case(
        "missing-role",
        [binding("ClusterRoleBinding", "web", [])],
        "ClusterRole web",
        [binding("ClusterRoleBinding", "view", [])],
    ),
    Case(
        "missing-subject",
        [binding("RoleBinding", "view", [SA_WEB])],
        "ServiceAccount ml/web",
        [binding("RoleBinding", "view", [SA_WEB]), account()],
    ),
    Case("missing-scale-target", [autoscaler()], "Deployment ml/web is not in the set", [autoscaler(), workload()]),
    Case("missing-namespace", [config()], "Namespace ml is not in the set", [config(), namespace()]),
    Case(
        "missing-gateway",
        [obj("gateway.networking.k8s.io/v1", "HTTPRoute", "web", spec={"parentRefs": [{"name": "gw"}]})],
        "Gateway ml/gw",
        [
            obj("gateway.networking.k8s.io/v1", "HTTPRoute", "web", spec={"parentRefs": [{"name": "gw"}]}),
            obj("gateway.networking.k8s.io/v1", "Gateway", "gw"),
        ],
    ),
    # ports
    Case(
        "service-target-port",
        [workload(), service(spec={"ports": [{"port": 80, "targetPort": "htpp"}]})],
        "Deployment ml/web has http; did you mean http?",
        [workload(), service()],
    ),
    Case(
        "service-target-port",
        [workload(), service(spec={"ports": [{"port": 80}]})],
        "no container port 80: Deployment ml/web has 8080",
        [workload(), service(spec={"ports": [{"port": 80, "targetPort": 8080}]})],
    ),
    in_container(
        "probe-port",
        {"livenessProbe": {"tcpSocket": {"port": "htp"}}},
        "container web has no port htp; did you mean http?",
    ),
    in_container(
        "probe-port",
        {"livenessProbe": {"tcpSocket": {"port": 9}}},
        "declares 8080, not 9",
        {"livenessProbe": {"tcpSocket": {"port": 8080}}},
    ),
    Case(
        "backend-port",
        [ingress(port={"number": 81}), service()],
        "has no port 81, but http=80",
        [ingress(port={"number": 80}), service()],
    ),
    Case("backend-port", [ingress(port={"name": "htp"}), service()], "did you mean http?", [ingress(), service()]),
    Case("backend-port", [webhook(443), service()], "no port 443", [webhook(80), service()]),
    in_container("port-name", {"ports": [{"name": "Not_Valid", "containerPort": 1}]}, "found Not_Valid"),
    Case(
        "port-name",
        [service(spec={"ports": [{"port": 1}, {"port": 2, "name": "b"}]})],
        "several ports",
        [service(spec={"ports": [{"port": 1}]})],
    ),
    Case(
        "duplicate-port",
        [service(spec={"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]})],
        "also at index 0",
        [service(spec={"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b", "protocol": "UDP"}]})],
    ),
    Case(
        "duplicate-port",
        [workload(more=[merge(SIDECAR, {"ports": [{"containerPort": 8080}]})])],
        "8080/TCP is also a port of container web",
        [workload(more=[merge(SIDECAR, {"ports": [{"containerPort": 8081}]})])],
    ),
    Case(
        "duplicate-node-port",
        [
            service(spec={"ports": [{"port": 1, "nodePort": 30063}]}),
            service("b", spec={"ports": [{"port": 1, "nodePort": 30063}]}),
        ],
        "nodePort 30063 is used by Service ml/web",
        [
            service(spec={"ports": [{"port": 1, "nodePort": 30063}]}),
            service("b", spec={"ports": [{"port": 1, "nodePort": 30063, "protocol": "UDP"}]}),
        ],
    ),
    Case(
        "node-port-range",
        [service(spec={"ports": [{"port": 1, "nodePort": 80}]})],
        "found 80",
        [service(spec={"ports": [{"port": 1, "nodePort": 32767}]})],
    ),
    Case(
        "ingress-conflict",
        [ingress(), ingress("b")],
        "web.example.com/ is also claimed by Ingress ml/web",
        [ingress(), ingress("b", host="b.example.com")],
    ),
    Case("ingress-without-tls", [ingress(tls=False)], "no TLS for web.example.com", [ingress()]),
    # Pod Security
    in_pod("host-process", {"securityContext": {"windowsOptions": {"hostProcess": True}}}, "hostProcess=true"),
    in_pod("host-namespaces", {"hostPID": True}, "host namespaces (hostPID=true)", {"hostPID": False}),
    in_container(
        "privileged-container",
        {"securityContext": {"privileged": True}},
        'container "web" must not set securityContext.privileged=true',
    ),
    in_container(
        "added-capabilities",
        {"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}},
        'must not include "NET_ADMIN"',
        {"securityContext": {"capabilities": {"add": ["CHOWN"]}}},
    ),
    in_pod("host-path", volume(hostPath={"path": "/var/log"}), 'hostPath volumes (volume "data")', volume(emptyDir={})),
    in_container("host-port", {"ports": [{"containerPort": 80, "hostPort": 80}]}, "uses hostPort 80"),
    in_container(
        "apparmor-profile",
        {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
        'to "Unconfined"',
        {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}},
    ),
    Case(
        "apparmor-profile",
        [
            workload(
                spec={
                    "template": {
                        "metadata": {
                            "annotations": {"container.apparmor.security.beta.kubernetes.io/web": "unconfined"}
                        }
                    }
                }
            )
        ],
        "annotation must not",
        [
            workload(
                spec={
                    "template": {
                        "metadata": {
                            "annotations": {"container.apparmor.security.beta.kubernetes.io/web": "runtime/default"}
                        }
                    }
                }
            )
        ],
    ),
    in_pod(
        "selinux-options",
        {"securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "u"}}},
        'type "spc_t"; user may not be set',
        {"securityContext": {"seLinuxOptions": {"type": "container_t"}}},
    ),
    in_container(
        "proc-mount",
        {"securityContext": {"procMount": "Unmasked"}},
        'procMount to "Unmasked"',
        {"securityContext": {"procMount": "Default"}},
    ),
    in_container(
        "seccomp-unconfined",
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        'to "Unconfined"',
        {"securityContext": {"seccompProfile": {"type": "Localhost"}}},
    ),
    in_pod(
        "unsafe-sysctls",
        {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
        "kernel.msgmax",
        {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]}},
    ),
    in_container(
        "probe-host", {"livenessProbe": {"tcpSocket": {"host": "10.0.0.1"}}}, 'probe or lifecycle host "10.0.0.1"'
    ),
    in_pod(
        "volume-type",
        volume(nfs={"server": "a", "path": "/"}),
        'restricted volume type "nfs"',
        volume(image={"reference": "a"}),
    ),
    in_container(
        "privilege-escalation",
        {"securityContext": {"allowPrivilegeEscalation": None}},
        "must set securityContext.allowPrivilegeEscalation=false",
    ),
    in_pod(
        "run-as-non-root",
        {"securityContext": {"runAsNonRoot": None}},
        'pod or container "web" must set',
        {"hostUsers": False, "securityContext": {"runAsNonRoot": None}},
    ),
    in_container(
        "root-user",
        {"securityContext": {"runAsUser": 0}},
        "must not set runAsUser=0",
        {"securityContext": {"runAsUser": 1}},
    ),
    in_pod(
        "missing-seccomp",
        {"securityContext": {"seccompProfile": None}},
        "must set securityContext.seccompProfile.type",
        {"securityContext": {"seccompProfile": None}, "os": {"name": "windows"}},
    ),
    in_container(
        "capabilities-not-dropped",
        {"securityContext": {"capabilities": {"drop": ["NET_RAW"]}}},
        'drop=["ALL"]',
        {"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}}},
    ),
    Case(
        "proc-mount-restricted",
        [workload(pod={"hostUsers": False}, container={"securityContext": {"procMount": "Unmasked"}})],
        "procMount",
        [workload(pod={"hostUsers": False})],
    ),
    Case(
        "pod-security-enforced",
        [
            namespace(**{"pod-security.kubernetes.io__enforce": "restricted"}),
            workload(container={"securityContext": {"allowPrivilegeEscalation": None}}),
        ],
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "web" must set securityContext.allowPrivilegeEscalation=false)',
        [namespace(**{"pod-security.kubernetes.io__enforce": "restricted"}), workload()],
    ),
    Case(
        "pod-security-enforced",
        [namespace(**{"pod-security.kubernetes.io__enforce": "baseline"}), workload(pod={"hostPID": True})],
        "baseline:latest",
        [namespace(**{"pod-security.kubernetes.io__enforce": "privileged"}), workload(pod={"hostPID": True})],
    ),
    Case(
        "pod-security-level",
        [namespace(**{"pod-security.kubernetes.io__enforce": "strict"})],
        "found strict",
        [namespace(**{"pod-security.kubernetes.io__warn": "baseline"})],
    ),
    # containers
    in_container(
        "invalid-image",
        {"image": "s3://models/bert:v1"},
        'not an image reference: "s3://models/bert:v1"',
        {"image": "localhost:5000/a/b_c:v1@sha256:" + "0" * 64},
    ),
    in_container("invalid-image", {"image": "Acme/Web:1"}, "did you mean acme/web:1?"),
    in_container("invalid-image", {"image": None}, "found none"),
    in_container("mutable-image-tag", {"image": "nginx"}, "nginx has no tag", {"image": "nginx@sha256:" + "0" * 64}),
    in_container("mutable-image-tag", {"image": "nginx:latest"}, "the tag latest moves", {"image": "nginx:1.29"}),
    in_container("image-not-pinned", {}, "has no digest", {"image": "nginx@sha256:" + "0" * 64}),
    Case(
        "missing-readiness-probe",
        [workload(container={"readinessProbe": None}), service()],
        "container web has no readinessProbe",
        [workload(container={"readinessProbe": None})],
    ),
    in_container("missing-liveness-probe", {"livenessProbe": None}, "container web has no livenessProbe"),
    in_container(
        "identical-probes",
        {"livenessProbe": {"tcpSocket": None, "httpGet": {"path": "/ready", "port": "http"}}},
        "equals readinessProbe",
    ),
    in_container("probe-handler", {"livenessProbe": {"tcpSocket": None, "periodSeconds": 1}}, "found none"),
    in_container("probe-handler", {"livenessProbe": {"exec": {"command": ["a"]}}}, "found tcpSocket and exec"),
    in_container(
        "secret-in-env",
        {"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]},
        "DB_PASSWORD is set to a text of 7 characters",
        {"env": [{"name": "DB_PASSWORD_FILE", "value": "x"}, {"name": "API_TOKEN", "value": "/run/token"}]},
    ),
    in_container(
        "secret-in-env",
        {"env": [{"name": "URL", "value": "postgresql://u:hunter2@db/x"}]},
        "URL holds a URL with a password",
        {"env": [{"name": "URL", "value": "postgresql://u:$(PASSWORD)@db/x"}]},
    ),
    in_container(
        "secret-in-env",
        {"args": ["--db=postgresql://u:hunter2@db/x"]},
        "holds a URL with a password",
        {"args": ["--db=postgresql://db/x"]},
    ),
    in_container(
        "writable-root-filesystem",
        {"securityContext": {"readOnlyRootFilesystem": False}},
        "can write to its root file system",
    ),
    in_pod(
        "unused-service-account-token",
        {"automountServiceAccountToken": None},
        "grants anything to ServiceAccount default",
    ),
    Case(
        "unused-service-account-token",
        [workload(pod={"automountServiceAccountToken": None, "serviceAccountName": "web"}), account()],
        "ServiceAccount web",
        [
            workload(pod={"automountServiceAccountToken": None, "serviceAccountName": "web"}),
            account(),
            binding("RoleBinding", "view", [SA_WEB]),
        ],
    ),
    Case(
        "container-names",
        [workload(pod={"initContainers": [{"name": "web", "image": "a:1"}]})],
        "web is also the name of",
        [workload(pod={"initContainers": [{"name": "init", "image": "a:1"}]})],
    ),
    in_pod(
        "docker-socket",
        volume(hostPath={"path": "/run/containerd/containerd.sock"}),
        "is the runtime's socket",
        volume(hostPath={"path": "/run"}),
    ),
    # rbac
    Case(
        "cluster-admin-binding",
        [binding("ClusterRoleBinding", "cluster-admin", [SA_WEB])],
        "grants everything to web",
        [binding("ClusterRoleBinding", "view", [SA_WEB])],
    ),
    Case(
        "wildcard-rule",
        [role("Role", [{"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}])],
        "grants * in resources",
        [role("Role", [{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}])],
    ),
    Case(
        "secret-access",
        [role("Role", [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}])],
        "may get, list every Secret",
        [role("Role", [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"], "verbs": ["get"]}])],
    ),
    Case(
        "pod-exec",
        [role("Role", [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}])],
        "grants pods/exec",
        [role("Role", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}])],
    ),
    Case(
        "privilege-escalation-rule",
        [
            role(
                "ClusterRole", [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["bind"]}]
            )
        ],
        "grants bind",
        [
            role(
                "ClusterRole",
                [
                    {
                        "apiGroups": ["rbac.authorization.k8s.io"],
                        "resources": ["roles"],
                        "resourceNames": ["a"],
                        "verbs": ["bind"],
                    }
                ],
            )
        ],
    ),
    Case(
        "anonymous-binding",
        [binding("ClusterRoleBinding", "view", [{"kind": "Group", "name": "system:unauthenticated"}])],
        "is everybody",
        [binding("ClusterRoleBinding", "view", [{"kind": "Group", "name": "system:authenticated"}])],
    ),
    Case(
        "subject-namespace",
        [binding("ClusterRoleBinding", "view", [{"kind": "ServiceAccount", "name": "web"}])],
        "the namespace of web",
        [binding("RoleBinding", "view", [{"kind": "ServiceAccount", "name": "web"}])],
    ),
    # resources
    in_container(
        "invalid-quantity",
        {"resources": {"requests": {"memory": "10GB"}}},
        "did you mean 10G or 10Gi?",
        {"resources": {"requests": {"memory": "1e8"}}},
    ),
    in_container(
        "invalid-quantity",
        {"resources": {"requests": {"cpu": -1}}},
        "at least 0",
        {"resources": {"requests": {"cpu": 0.5}}},
    ),
    Case(
        "invalid-quantity",
        [merge(claim(), {"spec": {"resources": {"requests": {"storage": "ten"}}}})],
        'found "ten"',
        [claim()],
    ),
    in_container(
        "limit-below-request",
        {"resources": {"requests": {"memory": "4Gi"}, "limits": {"memory": "2Gi"}}},
        "2Gi is below the request 4Gi",
        {"resources": {"requests": {"memory": "1024Mi"}, "limits": {"memory": "1Gi"}}},
    ),
    in_container(
        "extended-resource",
        {"resources": {"limits": {"nvidia.com/gpu": "0.5"}}},
        "expected a whole number, found 0.5",
        {"resources": {"limits": {"nvidia.com/gpu": 1}}},
    ),
    in_container(
        "extended-resource",
        {"resources": {"requests": {"nvidia.com/gpu": 1}}},
        "expected 1, as requested; found none",
        {"resources": {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": "1"}}},
    ),
    in_container(
        "extended-resource",
        {"resources": {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}}},
        "found 2",
    ),
    in_container(
        "suspicious-quantity", {"resources": {"requests": {"memory": 64}}}, "64 is 64 bytes; did you mean 64Mi?"
    ),
    in_container("suspicious-quantity", {"resources": {"requests": {"cpu": 1000}}}, "did you mean 1000m?"),
    in_container(
        "missing-requests",
        {"resources": {"requests": {"cpu": None}}},
        "container web requests no cpu",
        {"resources": {"requests": {"cpu": None}, "limits": {"cpu": 1}}},
    ),
    Case(
        "missing-limits",
        [workload(container={"resources": {"limits": None}})],
        "container web has no memory limit",
        [workload(container={"resources": {"limits": None}}, pod={"resources": {"limits": {"memory": "1Gi"}}})],
    ),
    in_container(
        "missing-ephemeral-storage",
        {},
        "no limit of ephemeral-storage",
        {"resources": {"limits": {"ephemeral-storage": "1Gi"}}},
    ),
    Case(
        "quota-exceeded",
        [workload(spec={"replicas": 3}), obj("v1", "ResourceQuota", "q", spec={"hard": {"requests.cpu": "200m"}})],
        "the set needs 0.3, the quota gives 200m",
        [workload(spec={"replicas": 2}), obj("v1", "ResourceQuota", "q", spec={"hard": {"requests.cpu": "200m"}})],
    ),
    Case(
        "quota-exceeded",
        [workload(spec={"replicas": 3}), obj("v1", "ResourceQuota", "q", spec={"hard": {"pods": "2"}})],
        "needs 3",
        [workload(), obj("v1", "ResourceQuota", "q", spec={"hard": {"pods": "2", "requests.storage": "1Gi"}})],
    ),
    Case(
        "quota-needs-resources",
        [workload(), obj("v1", "ResourceQuota", "q", spec={"hard": {"limits.cpu": "2"}})],
        "ResourceQuota ml/q asks for it",
        [
            workload(),
            obj("v1", "ResourceQuota", "q", spec={"hard": {"limits.cpu": "2"}}),
            obj("v1", "LimitRange", "l", spec={"limits": [{"type": "Container", "default": {"cpu": 1}}]}),
        ],
    ),
    # versions
    Case(
        "removed-api",
        [obj("policy/v1beta1", "PodDisruptionBudget", "a")],
        "was served until 1.24; expected policy/v1 for 1.36",
        [pdb()],
    ),
    Case("removed-api", [obj("extensions/v1beta1", "Ingress", "a")], "expected networking.k8s.io/v1", [ingress()]),
    Case(
        "future-api",
        [obj("scheduling.k8s.io/v1beta1", "Workload", "a")],
        "is served since 1.37",
        [obj("scheduling.k8s.io/v1", "PriorityClass", "a", None, value=1)],
    ),
    Case(
        "deprecated-api",
        [obj("v1", "Endpoints", "a")],
        "deprecated since 1.33; use discovery.k8s.io/v1 EndpointSlice",
        [obj("discovery.k8s.io/v1", "EndpointSlice", "a", addressType="IPv4", endpoints=[])],
    ),
    Case(
        "deprecated-api",
        [obj("networking.k8s.io/v1beta1", "IPAddress", "a", None)],
        "served until 1.36; use networking.k8s.io/v1",
        [obj("networking.k8s.io/v1", "IPAddress", "a", None)],
    ),
    Case(
        "deprecated-field",
        [merge(ingress(), {"metadata": {"annotations": {"kubernetes.io/ingress.class": "nginx"}}})],
        "use spec.ingressClassName",
        [ingress()],
    ),
    in_pod(
        "deprecated-field",
        {"nodeSelector": {"beta.kubernetes.io/os": "linux"}},
        "use kubernetes.io/os",
        {"nodeSelector": {"kubernetes.io/os": "linux"}},
    ),
    in_pod(
        "deprecated-field", {"serviceAccount": "default"}, "use serviceAccountName", {"serviceAccountName": "default"}
    ),
    in_pod("deprecated-field", volume(gitRepo={"repository": "a"}), "use an init container", volume(emptyDir={})),
    # workloads
    Case(
        "autoscaled-replicas",
        [workload(spec={"replicas": 2}), autoscaler()],
        "HorizontalPodAutoscaler ml/web owns it",
        [workload(), autoscaler()],
    ),
    Case(
        "autoscaler-range",
        [autoscaler(minReplicas=5, maxReplicas=2)],
        "minReplicas (5) exceeds maxReplicas (2)",
        [autoscaler(minReplicas=2, maxReplicas=2)],
    ),
    Case(
        "autoscaler-without-requests",
        [workload(container={"resources": {"requests": {"cpu": None}}}), autoscaler()],
        "container web of Deployment ml/web requests no cpu",
        [workload(), autoscaler()],
    ),
    Case("pdb-blocks-drain", [workload(), pdb(maxUnavailable=0)], "no pod may ever be away", [workload(), pdb()]),
    Case(
        "pdb-blocks-drain",
        [workload(spec={"replicas": 2}), pdb(maxUnavailable=None, minAvailable=2)],
        "2 of the 2 pods of Deployment ml/web",
        [workload(spec={"replicas": 3}), pdb(maxUnavailable=None, minAvailable=2)],
    ),
    Case(
        "pdb-blocks-drain",
        [pdb(maxUnavailable=None, minAvailable="100%")],
        "100%",
        [pdb(maxUnavailable=None, minAvailable="50%")],
    ),
    Case("pdb-unhealthy-pods", [pdb(unhealthyPodEvictionPolicy=None)], "expected AlwaysAllow", [pdb()]),
    Case(
        "missing-pdb",
        [workload(spec={"replicas": 2})],
        "2 replicas and no PodDisruptionBudget",
        [workload(spec={"replicas": 2}), pdb()],
    ),
    Case(
        "no-anti-affinity",
        [workload(spec={"replicas": 2})],
        "2 replicas without podAntiAffinity",
        [workload(spec={"replicas": 2}, pod={"topologySpreadConstraints": [{"maxSkew": 1}]})],
    ),
    in_pod(
        "restart-policy",
        {"restartPolicy": "OnFailure"},
        "expected Always, found OnFailure",
        {"restartPolicy": "Always"},
    ),
    Case("restart-policy", [job(pod={"restartPolicy": None})], "expected OnFailure or Never, found Always", [job()]),
    Case("job-without-ttl", [job(spec={"ttlSecondsAfterFinished": None})], "expected seconds", [job()]),
    Case(
        "invalid-cron",
        [obj("batch/v1", "CronJob", "a", spec={"schedule": "0 25 * * *"})],
        "hour: expected 0-23, found 25",
        [obj("batch/v1", "CronJob", "a", spec={"schedule": "*/5 0-6,22 1 jan mon-fri"})],
    ),
    Case(
        "shared-volume",
        [
            workload(spec={"replicas": 2}, pod=volume(persistentVolumeClaim={"claimName": "data"})),
            claim("data", "ReadWriteOnce"),
        ],
        "2 replicas share data",
        [workload(spec={"replicas": 2}, pod=volume(persistentVolumeClaim={"claimName": "data"})), claim()],
    ),
    Case(
        "shared-volume",
        [workload(pod=volume(persistentVolumeClaim={"claimName": "data"})), claim("data", "ReadWriteOnce")],
        "a rolling update needs it twice",
        [
            workload(spec={"strategy": {"type": "Recreate"}}, pod=volume(persistentVolumeClaim={"claimName": "data"})),
            claim("data", "ReadWriteOnce"),
        ],
    ),
    Case(
        "invalid-base64",
        [secret(data={"a": "not base64!"})],
        "expected base64, found a text of 11 characters",
        [secret(data={"a": "YQ=="})],
    ),
    Case("secret-value", [secret(stringData={"a": "hunter2"})], "holds the values of a", [secret()]),
    Case("immutable-name", [job("train")], "train names no version", [job("train-3f9ac1")]),
]

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
PODS = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec:\n  containers:\n  - {name: c, image: 'd:1', env: [{name: A}, {name: %s}]}\n"
IGNORE = HEAD + "  annotations: {mlops-nix.dev/ignore: '%s'}\n"


class TextCase(NamedTuple):
    """What needs files: a text with the mistake, a word of the message, and a text without it."""

    check: str
    bad: str
    says: str
    good: str


TEXT_CASES = [
    TextCase("schema", HEAD + "date: {}\n", "date: unknown field; did you mean data?", HEAD + "data: {}\n"),
    TextCase("schema", "apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: a}\n", "did you mean Deployment?", HEAD),
    TextCase(
        "list-duplicates", PODS % "A", 'containers[0].env[1]: duplicate entry name="A": also at index 0', PODS % "B"
    ),
    TextCase("unknown-kind", "apiVersion: a.io/v1\nkind: A\nmetadata: {name: a}\n", "no schema of a.io/v1 A", HEAD),
    TextCase("unknown-kind", "apiVersion: a.io/v1\nkind: Job\nmetadata: {name: a}\n", "Job is known in batch/v1", HEAD),
    TextCase("yaml-surprise", HEAD + "immutable: no\n", "line 5: no is false for kubectl", HEAD + "immutable: false\n"),
    TextCase("empty-file", "# nothing\n", "no object in it", HEAD),
    TextCase("unknown-check", IGNORE % "host-paths=x", "did you mean host-path?", IGNORE % "missing-namespace=x"),
    TextCase("ignore-without-reason", IGNORE % "host-path", "host-path: expected a reason", IGNORE % "host-path=x"),
    TextCase("unused-ignore", IGNORE % "host-path=x", "host-path: found nothing here", HEAD),
]


@pytest.mark.parametrize("case", TEXT_CASES, ids=[f"{case.check}-{index}" for index, case in enumerate(TEXT_CASES)])
def test_a_check_of_texts_finds_its_mistake_only(case: TextCase, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(HEAD.replace("name: a", "name: other"))
    for text, says in ((case.bad, case.says), (case.good, None)):
        (tmp_path / "a.yaml").write_text(text)
        found = [one for one in validate(read([tmp_path])).findings if one.check == case.check]
        if says is None:
            assert found == []
        else:
            assert any(says in f"{one.path}: {one.message}" for one in found), found
            assert all(one.position and one.position.file.endswith("a.yaml") for one in found)


def object_set(objects: list[Object]) -> ObjectSet:
    return ObjectSet([Manifest(one, Position("set.yaml", 10 * index + 1)) for index, one in enumerate(objects)])


def ids() -> list[str]:
    return [f"{case.check}-{index}" for index, case in enumerate(CASES)]


@pytest.mark.parametrize("case", CASES, ids=ids())
def test_a_check_finds_its_mistake_and_says_what_is_wrong(case: Case) -> None:
    found = run_checks(object_set(case.bad), only=[case.check])
    assert found, "nothing found"
    assert any(case.says in one.message for one in found), [one.message for one in found]
    assert all(one.fix for one in found)


@pytest.mark.parametrize("case", CASES, ids=ids())
def test_a_check_leaves_the_right_thing_alone(case: Case) -> None:
    assert [one.message for one in run_checks(object_set(case.good), only=[case.check])] == []


def test_a_service_that_a_controller_makes_is_known_by_its_endpoint() -> None:
    document = {"endpoints": [{"component": "churn", "name": "http", "namespace": "ml", "service": "web"}]}
    manifests = [Manifest(ingress(), Position("set.yaml", 1))]
    assert run_checks(ObjectSet(manifests), only=["missing-service"])
    assert not run_checks(ObjectSet(manifests, set_document=document), only=["missing-service"])


def test_every_check_has_a_case() -> None:
    # kubeconform: test_kubeconform.py, because it needs the program
    assert {case.check for case in (*CASES, *TEXT_CASES)} | {"kubeconform"} == all_checks().keys()


WRONG = st.sampled_from(
    [None, True, 0, -1, 2**70, 1.5, "", "x", [], [None], [[]], [{}], {}, {"x": 1}, {"x": None}, [["x"]], [{"name": {}}]]
)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in children for place in [(*path, key), *_places(child, (*path, key))]]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_check_falls_over_whatever_stands_anywhere(data: st.DataObject) -> None:
    small = [one for case in CASES for one in (*case.bad, *case.good) if len(repr(one)) < 4000]
    objects = []
    for one in data.draw(st.lists(st.sampled_from(small), min_size=1, max_size=8)):
        changed = copy.deepcopy(one)
        place = data.draw(st.sampled_from([place for place in _places(one) if place[0] not in {"apiVersion", "kind"}]))
        target: Any = changed
        for step in place[:-1]:
            target = target[step]
        target[place[-1]] = copy.deepcopy(data.draw(WRONG))
        objects.append(changed)
    run_checks(object_set(objects), enable=all_checks())


@pytest.mark.parametrize(
    ("key", "severity"),
    [("serving.kserve.io/inferenceservice", "info"), ("app.kubernetes.io/name", "warning"), ("app", "warning")],
)
def test_pods_that_an_operator_makes_are_no_warning(key: str, severity: str) -> None:
    selector = {"matchLabels": {key: "churn"}}
    objects = [
        workload(),
        policy(selector=selector),
        obj("policy/v1", "PodDisruptionBudget", "b", spec={"selector": selector}),
        service(spec={"selector": {"app": None, key: "churn"}}),
    ]
    objects.append(monitor("PodMonitor", {key: "churn"}, "http"))
    checks = ["network-policy-without-pods", "pdb-without-pods", "service-without-pods", "monitor-without-target"]
    found = {one.check: one.severity.value for one in run_checks(object_set(objects), only=checks)}
    assert found == dict.fromkeys(checks, severity)


def test_a_clean_set_has_no_finding() -> None:
    restricted = namespace(**{"pod-security.kubernetes.io__enforce": "restricted"})
    objects = [restricted, workload(), service(), policy(), job("train-3f9ac1"), pdb(), autoscaler()]
    manifests = [Manifest(one, Position("set.yaml", index)) for index, one in enumerate(objects)]
    assert [str(one) for one in validate(Reading(manifests=manifests)).findings] == []


def test_a_secret_value_never_enters_a_finding() -> None:
    objects = [case.bad for case in CASES if case.check in {"secret-in-env", "secret-value", "invalid-base64"}]
    for bad in objects:
        found = run_checks(object_set(bad), enable=all_checks())
        assert "hunter2" not in repr(found)
        assert "not base64!" not in repr(found)


def test_every_check_says_why_and_how() -> None:
    for check in all_checks().values():
        assert check.summary, check.id
        assert not check.summary.endswith("."), check.id
        assert check.why.endswith("."), check.id
        assert check.fix, check.id
        assert not check.fix.endswith("."), check.id


def test_pods_inside_custom_resources_are_checked_for_what_they_have() -> None:
    pod = {"containers": [{"name": "a", "image": "nginx"}]}
    ray = obj("ray.io/v1", "RayCluster", "r", spec={"workerGroupSpecs": [{"template": {"spec": pod}}]})
    serving = obj("serving.kserve.io/v1beta1", "InferenceService", "i", spec={"predictor": pod})
    found = {(one.check, one.path) for one in run_checks(object_set([ray, serving]))}
    assert ("mutable-image-tag", "spec.workerGroupSpecs[0].template.spec.containers[0].image") in found
    assert ("mutable-image-tag", "spec.predictor.containers[0].image") in found
    assert not [check for check, _ in found if check.startswith("missing-limits")]


@pytest.mark.parametrize(
    "value",
    [None, 1, "x", [], [None], {"a": None}, {"metadata": []}, {"spec": [], "metadata": {"labels": [], "name": 3}}],
)
def test_no_check_falls_over_a_malformed_object(value: Any) -> None:
    kinds = [
        ("apps/v1", "Deployment"),
        ("v1", "Service"),
        ("v1", "Secret"),
        ("batch/v1", "CronJob"),
        ("networking.k8s.io/v1", "Ingress"),
    ]
    objects = []
    for api_version, kind in kinds:
        base = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}}
        objects.append({**base, **value} if isinstance(value, dict) else {**base, "spec": value})
        objects.append(
            {**base, "spec": {"template": value, "ports": value, "selector": value, "rules": value, "schedule": value}}
        )
        objects.append(
            {
                **base,
                "spec": {"template": {"metadata": value, "spec": {"containers": value, "volumes": value}}},
                "data": value,
            }
        )
        objects.append(
            {
                **base,
                "spec": {
                    "template": {
                        "spec": {
                            "containers": [
                                {
                                    "name": value,
                                    "env": value,
                                    "ports": value,
                                    "image": value,
                                    "resources": value,
                                    "securityContext": value,
                                    "livenessProbe": value,
                                }
                            ]
                        }
                    }
                },
            }
        )
    run_checks(object_set(objects), enable=all_checks())
