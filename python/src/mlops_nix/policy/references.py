"""References between objects: what is named must exist, here or, for kinds that come from elsewhere, on the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_nix.findings import ERROR, INFO, WARNING, Family, Problem
from mlops_nix.nearest import suggest
from mlops_nix.objects import as_list, as_map, as_text, split_api_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_nix.objectset import Entry, ObjectSet, Pod

CHECKS = Family("references")

# ConfigMaps that the control plane puts into every namespace.
_EVERYWHERE = {"kube-root-ca.crt"}
_SYSTEM_NAMESPACES = {"default", "kube-system", "kube-public", "kube-node-lease"}
_SYSTEM_PRIORITIES = {"system-cluster-critical", "system-node-critical"}
# Made by the API server at its start, as are all whose name starts with `system:`.
_SYSTEM_ROLES = {("kube-system", "extension-apiserver-authentication-reader")}
_DEFAULT_ROLES = {"cluster-admin", "admin", "edit", "view"}


class Use(NamedTuple):
    """One place of a pod that names a ConfigMap or Secret."""

    path: str
    kind: str
    name: str
    keys: tuple[str, ...]
    optional: bool


def _items(source: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(as_text(as_map(item).get("key")) for item in as_list(source.get("items")))


def _volume_uses(path: str, volume: Mapping[str, Any]) -> Iterator[Use]:
    config, secret = volume.get("configMap"), volume.get("secret")
    if isinstance(config, dict):
        yield Use(
            f"{path}.configMap.name",
            "ConfigMap",
            as_text(config.get("name")),
            _items(config),
            config.get("optional") is True,
        )
    if isinstance(secret, dict):
        name = as_text(secret.get("secretName"))
        yield Use(f"{path}.secret.secretName", "Secret", name, _items(secret), secret.get("optional") is True)
    for index, source in enumerate(as_list(as_map(volume.get("projected")).get("sources"))):
        for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            part = as_map(source).get(field)
            if isinstance(part, dict):
                place = f"{path}.projected.sources[{index}].{field}.name"
                yield Use(place, kind, as_text(part.get("name")), _items(part), part.get("optional") is True)
    for driver, field in (
        ("csi", "nodePublishSecretRef"),
        ("cephfs", "secretRef"),
        ("rbd", "secretRef"),
        ("iscsi", "secretRef"),
    ):
        part = as_map(volume.get(driver)).get(field)
        if isinstance(part, dict):
            yield Use(f"{path}.{driver}.{field}.name", "Secret", as_text(part.get("name")), (), False)


def _uses(pod: Pod) -> Iterator[Use]:
    """Yield every place where a pod names a ConfigMap or Secret."""
    for index, volume in enumerate(as_list(pod.spec.get("volumes"))):
        yield from _volume_uses(f"{pod.path}.volumes[{index}]", as_map(volume))
    for container in pod.containers:
        for index, variable in enumerate(as_list(container.value.get("env"))):
            source = as_map(as_map(variable).get("valueFrom"))
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                part = source.get(field)
                if isinstance(part, dict):
                    path = f"{container.path}.env[{index}].valueFrom.{field}"
                    keys = (as_text(part.get("key")),)
                    yield Use(f"{path}.name", kind, as_text(part.get("name")), keys, part.get("optional") is True)
        for index, origin in enumerate(as_list(container.value.get("envFrom"))):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                part = as_map(origin).get(field)
                if isinstance(part, dict):
                    path = f"{container.path}.envFrom[{index}].{field}.name"
                    yield Use(path, kind, as_text(part.get("name")), (), part.get("optional") is True)
    for index, pull in enumerate(as_list(pod.spec.get("imagePullSecrets"))):
        yield Use(f"{pod.path}.imagePullSecrets[{index}].name", "Secret", as_text(as_map(pull).get("name")), (), False)


def _secret_makers(objects: ObjectSet) -> dict[tuple[str, str], str]:
    """Name the Secrets that an operator or the command line will make: (namespace, name) -> by whom."""
    made: dict[tuple[str, str], str] = {}
    for entry in objects.of("cert-manager.io", "Certificate"):
        made[entry.namespace, as_text(entry.spec.get("secretName"))] = str(entry)
    for entry in objects.of("external-secrets.io", "ExternalSecret"):
        target = as_text(as_map(entry.spec.get("target")).get("name")) or entry.name
        made[entry.namespace, target] = str(entry)
    for entry in objects.of("bitnami.com", "SealedSecret"):
        made[entry.namespace, entry.name] = str(entry)
    for entry in objects.of("postgresql.cnpg.io", "Cluster"):
        for suffix in ("app", "superuser", "ca", "server", "replication"):
            made[entry.namespace, f"{entry.name}-{suffix}"] = str(entry)
    for secret in as_list(objects.set_document.get("secrets")):
        declared = as_map(secret)
        made[as_text(declared.get("namespace")), as_text(declared.get("name"))] = "mlops-nix secrets"
    return made


def _data_keys(entry: Entry) -> set[str]:
    return {key for field in ("data", "stringData", "binaryData") for key in as_map(entry.object.get(field))}


@CHECKS.check(
    "missing-configmap",
    ERROR,
    "A ConfigMap is named that is not in the set",
    fix="add it, correct the name, or mark the reference optional",
)
def missing_configmap(objects: ObjectSet) -> Iterator[Problem]:
    """The pod stays in ContainerCreating, or CreateContainerConfigError, for ever."""
    for pod in objects.pods:
        namespace = pod.entry.namespace
        for use in _uses(pod):
            if use.kind == "ConfigMap" and use.name and not use.optional and use.name not in _EVERYWHERE:
                if objects.find("", "ConfigMap", namespace, use.name) is None:
                    near = suggest(use.name, objects.names("", "ConfigMap", namespace))
                    message = f"ConfigMap {namespace}/{use.name} is not in the set{near}"
                    yield Problem(pod.entry, use.path, message)


@CHECKS.check(
    "missing-secret",
    WARNING,
    "A Secret is named that nothing of the set makes",
    fix="create it on the cluster before, make it by an ExternalSecret or SealedSecret, or correct the name",
)
def missing_secret(objects: ObjectSet) -> Iterator[Problem]:
    """The pod does not start until somebody creates it. Secrets often come from elsewhere, hence no error."""
    made = _secret_makers(objects)
    for pod in objects.pods:
        namespace = pod.entry.namespace
        seen: set[str] = set()
        for use in _uses(pod):
            if use.kind != "Secret" or not use.name or use.optional or use.name in seen:
                continue
            if objects.find("", "Secret", namespace, use.name) is None and (namespace, use.name) not in made:
                seen.add(use.name)
                near = suggest(use.name, objects.names("", "Secret", namespace))
                yield Problem(pod.entry, use.path, f"nothing makes Secret {namespace}/{use.name}{near}")


@CHECKS.check(
    "missing-key", ERROR, "A key is named that the ConfigMap or Secret does not have", fix="correct the key, or add it"
)
def missing_key(objects: ObjectSet) -> Iterator[Problem]:
    """The container does not start: CreateContainerConfigError `couldn't find key`."""
    declared = {
        (as_text(secret.get("namespace")), as_text(secret.get("name"))): {
            as_text(as_map(key).get("key")) for key in as_list(secret.get("keys"))
        }
        for secret in map(as_map, as_list(objects.set_document.get("secrets")))
    }
    for pod in objects.pods:
        namespace = pod.entry.namespace
        for use in _uses(pod):
            if not use.keys or use.optional:
                continue
            holder = objects.find("", use.kind, namespace, use.name)
            known = (
                _data_keys(holder) if holder else declared.get((namespace, use.name)) if use.kind == "Secret" else None
            )
            # A Secret without data is filled by whoever owns it.
            if known is None or (not known and use.kind == "Secret"):
                continue
            for key in use.keys:
                if key and key not in known:
                    message = f"{use.kind} {namespace}/{use.name} has no key {key}{suggest(key, known)}"
                    yield Problem(pod.entry, use.path, message)


@CHECKS.check(
    "missing-service-account",
    ERROR,
    "A ServiceAccount is named that is not in the set",
    fix="add it, or correct the name",
    also=["non-existent-service-account"],
)
def missing_service_account(objects: ObjectSet) -> Iterator[Problem]:
    """No pod is created: `error looking up service account`."""
    for pod in objects.pods:
        name, namespace = pod.service_account, pod.entry.namespace
        if name != "default" and objects.find("", "ServiceAccount", namespace, name) is None:
            near = suggest(name, objects.names("", "ServiceAccount", namespace))
            message = f"ServiceAccount {namespace}/{name} is not in the set{near}"
            yield Problem(pod.entry, f"{pod.path}.serviceAccountName", message)


@CHECKS.check(
    "missing-pvc", ERROR, "A PersistentVolumeClaim is named that is not in the set", fix="add it, or correct the name"
)
def missing_pvc(objects: ObjectSet) -> Iterator[Problem]:
    """The pod stays Pending: `persistentvolumeclaim not found`."""
    for pod in objects.pods:
        namespace = pod.entry.namespace
        for index, volume in enumerate(as_list(pod.spec.get("volumes"))):
            name = as_text(as_map(as_map(volume).get("persistentVolumeClaim")).get("claimName"))
            if name and objects.find("", "PersistentVolumeClaim", namespace, name) is None:
                near = suggest(name, objects.names("", "PersistentVolumeClaim", namespace))
                path = f"{pod.path}.volumes[{index}].persistentVolumeClaim.claimName"
                yield Problem(pod.entry, path, f"PersistentVolumeClaim {namespace}/{name} is not in the set{near}")


@CHECKS.check(
    "missing-volume",
    ERROR,
    "A container mounts a volume that the pod does not have",
    fix="add the volume, or correct the name",
)
def missing_volume(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the pod: `volumeMounts[0].name: Not found`."""
    for pod in objects.pods:
        names = {as_text(as_map(volume).get("name")) for volume in as_list(pod.spec.get("volumes"))}
        for claim in as_list(pod.entry.spec.get("volumeClaimTemplates")):
            names.add(as_text(as_map(as_map(claim).get("metadata")).get("name")))
        for container in pod.containers:
            for field in ("volumeMounts", "volumeDevices"):
                for index, mount in enumerate(as_list(container.value.get(field))):
                    name = as_text(as_map(mount).get("name"))
                    if name and name not in names:
                        message = f"the pod has no volume {name}{suggest(name, names)}"
                        yield Problem(pod.entry, f"{container.path}.{field}[{index}].name", message)


@CHECKS.check("unused-volume", INFO, "No container mounts the volume", fix="drop the volume, or mount it")
def unused_volume(objects: ObjectSet) -> Iterator[Problem]:
    """The pod waits for it although nothing reads it; often a mount was forgotten."""
    for pod in objects.pods:
        mounted = {
            as_text(as_map(mount).get("name"))
            for container in pod.containers
            for field in ("volumeMounts", "volumeDevices")
            for mount in as_list(container.value.get(field))
        }
        for index, volume in enumerate(as_list(pod.spec.get("volumes"))):
            name = as_text(as_map(volume).get("name"))
            if name and name not in mounted:
                yield Problem(pod.entry, f"{pod.path}.volumes[{index}]", f"no container mounts {name}")


class Backend(NamedTuple):
    """One place that names a Service, and the port there, by number or name."""

    entry: Entry
    path: str
    namespace: str
    name: str
    port: object


def _ingress_backends(entry: Entry) -> Iterator[Backend]:
    backends = [("spec.defaultBackend", as_map(entry.spec.get("defaultBackend")))]
    for i, rule in enumerate(as_list(entry.spec.get("rules"))):
        for j, path in enumerate(as_list(as_map(as_map(rule).get("http")).get("paths"))):
            backends.append((f"spec.rules[{i}].http.paths[{j}].backend", as_map(as_map(path).get("backend"))))
    for path, backend in backends:
        service = as_map(backend.get("service"))
        name = as_text(service.get("name"))
        if name:
            port = as_map(service.get("port"))
            number = port.get("number")
            yield Backend(entry, f"{path}.service", entry.namespace, name, number or port.get("name"))


def _route_backends(entry: Entry) -> Iterator[Backend]:
    for i, rule in enumerate(as_list(entry.spec.get("rules"))):
        for j, backend in enumerate(as_list(as_map(rule).get("backendRefs"))):
            target = as_map(backend)
            if (as_text(target.get("kind")) or "Service") == "Service" and not target.get("group"):
                namespace = as_text(target.get("namespace")) or entry.namespace
                path = f"spec.rules[{i}].backendRefs[{j}]"
                yield Backend(entry, path, namespace, as_text(target.get("name")), target.get("port"))


def _webhook_backends(entry: Entry) -> Iterator[Backend]:
    clients = [
        (f"webhooks[{i}].clientConfig.service", as_map(as_map(as_map(hook).get("clientConfig")).get("service")))
        for i, hook in enumerate(as_list(entry.object.get("webhooks")))
    ]
    if entry.kind == "APIService":
        clients.append(("spec.service", as_map(entry.spec.get("service"))))
    if entry.kind == "CustomResourceDefinition":
        webhook = as_map(as_map(entry.spec.get("conversion")).get("webhook"))
        path = "spec.conversion.webhook.clientConfig.service"
        clients.append((path, as_map(as_map(webhook.get("clientConfig")).get("service"))))
    for path, service in clients:
        name = as_text(service.get("name"))
        if name:
            port = service.get("port", 443)
            yield Backend(entry, path, as_text(service.get("namespace")) or "default", name, port)


def backends(objects: ObjectSet) -> Iterator[Backend]:
    """Yield every place outside pods that names a Service."""
    for entry in objects.of("networking.k8s.io", "Ingress"):
        yield from _ingress_backends(entry)
    for entry in objects.of("gateway.networking.k8s.io", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"):
        yield from _route_backends(entry)
    hooks = objects.of("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
    for entry in hooks:
        yield from _webhook_backends(entry)
    for entry in objects.of("apiregistration.k8s.io", "APIService"):
        yield from _webhook_backends(entry)
    for entry in objects.of("apiextensions.k8s.io", "CustomResourceDefinition"):
        yield from _webhook_backends(entry)


@CHECKS.check(
    "missing-service",
    ERROR,
    "A Service is named that is not in the set",
    fix="add it, or correct the name",
    also=["dangling-ingress", "ingress-targets-service", "statefulset-has-servicename"],
)
def missing_service(objects: ObjectSet) -> Iterator[Problem]:
    """Requests answer 503; a webhook without its Service refuses every write of its kinds."""
    for backend in backends(objects):
        made = (backend.namespace, backend.name) in objects.endpoint_services
        if not made and objects.find("", "Service", backend.namespace, backend.name) is None:
            near = suggest(backend.name, objects.names("", "Service", backend.namespace))
            message = f"Service {backend.namespace}/{backend.name} is not in the set{near}"
            yield Problem(backend.entry, f"{backend.path}.name", message)
    for entry in objects.of("apps", "StatefulSet"):
        name = as_text(entry.spec.get("serviceName"))
        if name and objects.find("", "Service", entry.namespace, name) is None:
            near = suggest(name, objects.names("", "Service", entry.namespace))
            message = f"Service {entry.namespace}/{name} is not in the set{near}"
            # It runs without: its pods only have no names in DNS.
            yield Problem(entry, "spec.serviceName", f"{message}; its pods get no names in DNS", None, WARNING)


@CHECKS.check(
    "missing-priority-class",
    WARNING,
    "A PriorityClass is named that is not in the set",
    fix="add it, or correct the name",
)
def missing_priority_class(objects: ObjectSet) -> Iterator[Problem]:
    """No pod is created: `no PriorityClass with name … was found`."""
    for pod in objects.every_pod:
        name = as_text(pod.spec.get("priorityClassName"))
        if (
            name
            and name not in _SYSTEM_PRIORITIES
            and objects.find("scheduling.k8s.io", "PriorityClass", "", name) is None
        ):
            near = suggest(name, objects.names("scheduling.k8s.io", "PriorityClass", ""))
            yield Problem(pod.entry, f"{pod.path}.priorityClassName", f"PriorityClass {name} is not in the set{near}")


@CHECKS.check(
    "missing-runtime-class",
    WARNING,
    "A RuntimeClass is named that is not in the set",
    fix="add it, or install what brings it",
)
def missing_runtime_class(objects: ObjectSet) -> Iterator[Problem]:
    """No pod is created: `RuntimeClass not found`."""
    for pod in objects.every_pod:
        name = as_text(pod.spec.get("runtimeClassName"))
        if name and objects.find("node.k8s.io", "RuntimeClass", "", name) is None:
            yield Problem(pod.entry, f"{pod.path}.runtimeClassName", f"RuntimeClass {name} is not in the set")


@CHECKS.check(
    "missing-role", ERROR, "A binding names a role that is not in the set", fix="add the role, or correct the name"
)
def missing_role(objects: ObjectSet) -> Iterator[Problem]:
    """The binding grants nothing, and every request of its subjects is forbidden."""
    group = "rbac.authorization.k8s.io"
    for entry in objects.of(group, "RoleBinding", "ClusterRoleBinding"):
        ref = as_map(entry.object.get("roleRef"))
        kind, name = as_text(ref.get("kind")), as_text(ref.get("name"))
        if name.startswith("system:") or (entry.namespace, name) in _SYSTEM_ROLES:
            continue
        if kind == "Role" and objects.find(group, "Role", entry.namespace, name) is None:
            near = suggest(name, objects.names(group, "Role", entry.namespace))
            yield Problem(entry, "roleRef.name", f"Role {entry.namespace}/{name} is not in the set{near}")
        if kind == "ClusterRole" and objects.find(group, "ClusterRole", "", name) is None:
            if name not in _DEFAULT_ROLES:
                near = suggest(name, objects.names(group, "ClusterRole", ""))
                # Operators bring ClusterRoles of their own.
                yield Problem(entry, "roleRef.name", f"ClusterRole {name} is not in the set{near}", None, WARNING)


@CHECKS.check(
    "missing-subject",
    WARNING,
    "A binding names a ServiceAccount that is not in the set",
    fix="add it, or correct name and namespace",
)
def missing_subject(objects: ObjectSet) -> Iterator[Problem]:
    """The rights go to nobody, or to whoever creates an account of that name."""
    for entry in objects.of("rbac.authorization.k8s.io", "RoleBinding", "ClusterRoleBinding"):
        for index, item in enumerate(as_list(entry.object.get("subjects"))):
            subject = as_map(item)
            name = as_text(subject.get("name"))
            namespace = as_text(subject.get("namespace")) or entry.namespace or "default"
            if (
                subject.get("kind") != "ServiceAccount"
                or name == "default"
                or namespace in _SYSTEM_NAMESPACES - {"default"}
            ):
                continue
            if objects.find("", "ServiceAccount", namespace, name) is None:
                near = suggest(name, objects.names("", "ServiceAccount", namespace))
                message = f"ServiceAccount {namespace}/{name} is not in the set{near}"
                yield Problem(entry, f"subjects[{index}].name", message)


@CHECKS.check(
    "missing-scale-target",
    ERROR,
    "An autoscaler names a workload that is not in the set",
    fix="add it, or correct kind and name",
    also=["dangling-horizontalpodautoscaler"],
)
def missing_scale_target(objects: ObjectSet) -> Iterator[Problem]:
    """It scales nothing, and shows that only in its conditions."""
    scalers = [
        *((entry, "scaleTargetRef") for entry in objects.of("autoscaling", "HorizontalPodAutoscaler")),
        *((entry, "scaleTargetRef") for entry in objects.of("keda.sh", "ScaledObject")),
        *((entry, "targetRef") for entry in objects.of("autoscaling.k8s.io", "VerticalPodAutoscaler")),
    ]
    for entry, field in scalers:
        target = as_map(entry.spec.get(field))
        group, _ = split_api_version(as_text(target.get("apiVersion")) or "apps/v1")
        kind, name = as_text(target.get("kind")) or "Deployment", as_text(target.get("name"))
        if name and objects.find(group, kind, entry.namespace, name) is None:
            near = suggest(name, objects.names(group, kind, entry.namespace))
            yield Problem(entry, f"spec.{field}.name", f"{kind} {entry.namespace}/{name} is not in the set{near}")


@CHECKS.check(
    "missing-namespace",
    INFO,
    "The namespace of the object is not in the set",
    fix="add the Namespace, or create it before",
)
def missing_namespace(objects: ObjectSet) -> Iterator[Problem]:
    """The first apply fails unless somebody created it."""
    known = {entry.name for entry in objects.of("", "Namespace")} | _SYSTEM_NAMESPACES
    seen: set[str] = set()
    for entry in objects.entries:
        name = entry.ref.namespace
        if name and name not in known and name not in seen:
            seen.add(name)
            yield Problem(entry, "metadata.namespace", f"Namespace {name} is not in the set{suggest(name, known)}")


@CHECKS.check(
    "missing-gateway", WARNING, "A route names a Gateway that is not in the set", fix="add it, or correct its name"
)
def missing_gateway(objects: ObjectSet) -> Iterator[Problem]:
    """The route is attached to nothing and gets no traffic."""
    group = "gateway.networking.k8s.io"
    for entry in objects.of(group, "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"):
        for index, item in enumerate(as_list(entry.spec.get("parentRefs"))):
            parent = as_map(item)
            if (as_text(parent.get("kind")) or "Gateway") != "Gateway":
                continue
            namespace = as_text(parent.get("namespace")) or entry.namespace
            name = as_text(parent.get("name"))
            if name and objects.find(group, "Gateway", namespace, name) is None:
                yield Problem(entry, f"spec.parentRefs[{index}].name", f"Gateway {namespace}/{name} is not in the set")
