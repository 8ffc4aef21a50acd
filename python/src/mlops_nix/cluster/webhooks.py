"""Which Service an admission webhook calls, and how the pods behind it are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nix.cluster.discovery import ENDPOINT_SLICES, PODS, SERVICES, Resource
from mlops_nix.cluster.readiness import pod_reason
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from mlops_nix.cluster.api import Api

_CONFIGURATIONS = (
    Resource(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        namespaced=False,
    ),
    Resource(
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        namespaced=False,
    ),
)


def service_of(api: Api, webhook: str) -> tuple[str, str] | None:
    """Give namespace and name of the Service that a webhook calls; nothing where it cannot be found out.

    Args:
        api: The server.
        webhook: Name of the webhook, as an error of the API server has it.
    """
    for resource in _CONFIGURATIONS:
        answer = api.list(resource, patience=5.0)
        if not answer.ok:
            continue
        for configuration in as_list(answer.value.get("items")):
            for entry in as_list(configuration.get("webhooks")):
                service = as_map(as_map(as_map(entry).get("clientConfig")).get("service"))
                if as_map(entry).get("name") == webhook and service:
                    return as_text(service.get("namespace")), as_text(service.get("name"))
    return None


def pods_behind(api: Api, namespace: str, service: str) -> list[str]:
    """Describe the pods that a Service selects, at most three.

    Args:
        api: The server.
        namespace: Namespace of the Service.
        service: Its name.
    """
    found = api.get(SERVICES, namespace, service, patience=5.0)
    selector = as_map(as_map(found.value).get("spec")).get("selector") if found.ok else None
    if not isinstance(selector, dict) or not selector:
        return []
    pods = api.list(
        PODS, namespace, selector=",".join(f"{key}={value}" for key, value in selector.items()), patience=5.0
    )
    if not pods.ok:
        return []
    described = []
    for pod in as_list(pods.value.get("items"))[:3]:
        status = as_map(pod.get("status"))
        reason = pod_reason(status) or f"phase {as_text(status.get('phase')) or 'unknown'}"
        described.append(f"{as_text(metadata(pod).get('name'))}: {reason}")
    return described


def trouble(api: Api, webhook: str, reason: str) -> tuple[str, str]:
    """Name a webhook that does not answer, its Service, and what the pods behind it wait for.

    Args:
        api: The server.
        webhook: Name of the webhook.
        reason: What the API server said.

    Returns:
        The text, and a hint.
    """
    service = service_of(api, webhook)
    if service is None:
        return f"the webhook {webhook} does not answer: {reason}", "look at the pods of the operator that it belongs to"
    namespace, name = service
    slices = api.list(ENDPOINT_SLICES, namespace, selector=f"kubernetes.io/service-name={name}", patience=5.0)
    items = as_list(as_map(slices.value).get("items")) if slices.ok else []
    count = sum(len(as_list(entry.get("endpoints"))) for entry in items)
    pods = pods_behind(api, namespace, name)
    told = f"; pods: {'; '.join(pods)}" if pods else "; it has no pods"
    return (
        f"the webhook {webhook} does not answer: Service {namespace}/{name}, {count} endpoints{told}; {reason}",
        f"`kubectl -n {namespace} get pods` shows the operator; apply again when it runs",
    )
