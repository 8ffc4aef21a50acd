"""When a custom resource is ready: one row per kind, as data.

A kind that is not here is judged by the general rule of `readiness.assess` (Ready, else Available, else Succeeded or Complete, else
existence), which also says that it was used. Sources: the condition types in each project's code and CRD, as of 2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

# A field below the object and the values that count.
Values: TypeAlias = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """How one kind tells that it is ready. Several ways to be ready are alternatives; all conditions of `ready` must be True.

    Args:
        ready: Conditions that must all be True.
        ready_any: Conditions of which one must be True.
        ready_value: A field with one of these values.
        failed: Conditions that, being True, mean that it will not become ready by itself.
        failed_value: A field with one of these values means the same.
        not_while: Conditions that, being True, mean that something is still under way.
        failed_reasons: Reasons of a condition in `ready` that mean failure.
        suspended: Conditions that, being True, mean that the user or a queue holds it back on purpose.
        last_wins: The last entry of ``status.conditions`` is the state (training operator).
        good_unless: Ready by existence unless this condition is True.
    """

    ready: tuple[str, ...] = ()
    ready_any: tuple[str, ...] = ()
    ready_value: Values | None = None
    failed: tuple[str, ...] = ()
    failed_value: Values | None = None
    not_while: tuple[str, ...] = ()
    failed_reasons: tuple[str, ...] = ()
    suspended: tuple[str, ...] = ()
    last_wins: bool = False
    good_unless: str = ""

    @property
    def exists(self) -> bool:
        """Whether existing is all that can be known."""
        return not (self.ready or self.ready_any or self.ready_value or self.good_unless)


_READY = Row(ready=("Ready",))
_EXISTS = Row()
_TRAINING = Row(
    ready_any=("Created", "Running", "Succeeded"), failed=("Failed",), suspended=("Suspended",), last_wins=True
)
_KATIB = Row(ready_any=("Created", "Running", "Succeeded"), failed=("Failed",), last_wins=True)
_ACTIVE = Row(ready=("Active",))

ROWS: dict[tuple[str, str], Row] = {
    # KServe
    ("serving.kserve.io", "InferenceService"): Row(
        ready=("Ready",),
        failed_value=("status.modelStatus.transitionStatus", ("BlockedByFailedLoad", "InvalidSpec")),
        suspended=("Stopped",),
    ),
    ("serving.kserve.io", "LLMInferenceService"): _READY,
    ("serving.kserve.io", "InferenceGraph"): _READY,
    ("serving.kserve.io", "TrainedModel"): _READY,
    ("serving.kserve.io", "LLMInferenceServiceConfig"): _EXISTS,
    ("serving.kserve.io", "ServingRuntime"): _EXISTS,
    ("serving.kserve.io", "ClusterServingRuntime"): _EXISTS,
    ("serving.kserve.io", "ClusterStorageContainer"): _EXISTS,
    ("serving.kserve.io", "LocalModelCache"): _EXISTS,
    ("serving.kserve.io", "LocalModelNamespaceCache"): _EXISTS,
    ("serving.kserve.io", "LocalModelNodeGroup"): _EXISTS,
    # Knative
    ("serving.knative.dev", "Service"): Row(ready=("Ready", "ConfigurationsReady", "RoutesReady")),
    ("serving.knative.dev", "DomainMapping"): _READY,
    ("operator.knative.dev", "KnativeServing"): _READY,
    # Seldon
    ("machinelearning.seldon.io", "SeldonDeployment"): Row(
        ready=("Ready",), ready_value=("status.state", ("Available",)), failed_value=("status.state", ("Failed",))
    ),
    ("mlops.seldon.io", "Model"): _READY,
    ("mlops.seldon.io", "Pipeline"): _READY,
    ("mlops.seldon.io", "Experiment"): _READY,
    ("mlops.seldon.io", "Server"): _READY,
    ("mlops.seldon.io", "SeldonRuntime"): _READY,
    ("mlops.seldon.io", "ServerConfig"): _EXISTS,
    ("mlops.seldon.io", "SeldonConfig"): _EXISTS,
    # Ray
    ("ray.io", "RayCluster"): Row(
        ready=("RayClusterProvisioned", "HeadPodReady"),
        ready_value=("status.state", ("ready",)),
        failed=("ReplicaFailure",),
        suspended=("RayClusterSuspended",),
    ),
    ("ray.io", "RayService"): Row(
        ready=("Ready",), not_while=("UpgradeInProgress",), failed_reasons=("ValidationFailed", "InitializingTimeout")
    ),
    ("ray.io", "RayJob"): Row(
        ready_value=("status.jobDeploymentStatus", ("Running", "Complete")),
        failed_value=("status.jobDeploymentStatus", ("Failed", "ValidationFailed")),
    ),
    ("ray.io", "RayCronJob"): _EXISTS,
    # Training
    ("kubeflow.org", "PyTorchJob"): _TRAINING,
    ("kubeflow.org", "TFJob"): _TRAINING,
    ("kubeflow.org", "XGBoostJob"): _TRAINING,
    ("kubeflow.org", "JAXJob"): _TRAINING,
    ("kubeflow.org", "PaddleJob"): _TRAINING,
    ("kubeflow.org", "MPIJob"): _TRAINING,
    ("trainer.kubeflow.org", "TrainJob"): Row(ready=("Complete",), failed=("Failed",), suspended=("Suspended",)),
    ("trainer.kubeflow.org", "TrainingRuntime"): _EXISTS,
    ("trainer.kubeflow.org", "ClusterTrainingRuntime"): _EXISTS,
    ("jobset.x-k8s.io", "JobSet"): Row(ready=("Completed",), failed=("Failed",), suspended=("Suspended",)),
    # Katib
    ("kubeflow.org", "Experiment"): _KATIB,
    ("kubeflow.org", "Suggestion"): _KATIB,
    ("kubeflow.org", "Trial"): Row(
        ready_any=("Created", "Running", "Succeeded"), failed=("Failed", "MetricsUnavailable"), last_wins=True
    ),
    # Notebooks, pipelines
    ("kubeflow.org", "ScheduledWorkflow"): _EXISTS,
    ("kubeflow.org", "Viewer"): _EXISTS,
    ("pipelines.kubeflow.org", "Pipeline"): _EXISTS,
    ("pipelines.kubeflow.org", "PipelineVersion"): _EXISTS,
    # Argo
    ("argoproj.io", "Workflow"): Row(
        ready_value=("status.phase", ("Running", "Succeeded")), failed_value=("status.phase", ("Failed", "Error"))
    ),
    ("argoproj.io", "WorkflowTemplate"): _EXISTS,
    ("argoproj.io", "ClusterWorkflowTemplate"): _EXISTS,
    ("argoproj.io", "CronWorkflow"): Row(good_unless="SubmissionError"),
    ("argoproj.io", "AppProject"): _EXISTS,
    ("argoproj.io", "WorkflowEventBinding"): _EXISTS,
    # Kueue
    ("kueue.x-k8s.io", "ClusterQueue"): _ACTIVE,
    ("kueue.x-k8s.io", "LocalQueue"): _ACTIVE,
    ("kueue.x-k8s.io", "AdmissionCheck"): _ACTIVE,
    ("kueue.x-k8s.io", "MultiKueueCluster"): _ACTIVE,
    ("kueue.x-k8s.io", "Cohort"): _EXISTS,
    ("kueue.x-k8s.io", "ResourceFlavor"): _EXISTS,
    ("kueue.x-k8s.io", "Topology"): _EXISTS,
    ("kueue.x-k8s.io", "WorkloadPriorityClass"): _EXISTS,
    ("kueue.x-k8s.io", "MultiKueueConfig"): _EXISTS,
    ("kueue.x-k8s.io", "ProvisioningRequestConfig"): _EXISTS,
    # Features, data
    ("feast.dev", "FeatureStore"): Row(
        ready_value=("status.phase", ("Ready",)), failed_value=("status.phase", ("Failed",))
    ),
    ("postgresql.cnpg.io", "Cluster"): Row(
        ready=("Ready",), ready_value=("status.phase", ("Cluster in healthy state",))
    ),
    ("postgresql.cnpg.io", "ImageCatalog"): _EXISTS,
    ("postgresql.cnpg.io", "ClusterImageCatalog"): _EXISTS,
    ("postgresql.cnpg.io", "ScheduledBackup"): _EXISTS,
    ("postgresql.cnpg.io", "Pooler"): _EXISTS,
    ("barmancloud.cnpg.io", "ObjectStore"): _EXISTS,
    ("valkey.io", "ValkeyCluster"): Row(
        ready_value=("status.state", ("Ready",)), failed_value=("status.state", ("Failed",))
    ),
    # Certificates, secrets, scaling
    ("cert-manager.io", "Certificate"): Row(ready=("Ready",), not_while=("Issuing",)),
    ("cert-manager.io", "Issuer"): _READY,
    ("cert-manager.io", "ClusterIssuer"): _READY,
    ("external-secrets.io", "ExternalSecret"): _READY,
    ("external-secrets.io", "ClusterExternalSecret"): _READY,
    ("external-secrets.io", "SecretStore"): _READY,
    ("external-secrets.io", "ClusterSecretStore"): _READY,
    ("external-secrets.io", "PushSecret"): _READY,
    ("generators.external-secrets.io", "Password"): _EXISTS,
    ("keda.sh", "ScaledObject"): _READY,
    ("keda.sh", "TriggerAuthentication"): _EXISTS,
    ("keda.sh", "ClusterTriggerAuthentication"): _EXISTS,
    # Monitoring
    ("monitoring.coreos.com", "Prometheus"): Row(ready=("Reconciled", "Available")),
    ("monitoring.coreos.com", "Alertmanager"): Row(ready=("Reconciled", "Available")),
    ("monitoring.coreos.com", "ServiceMonitor"): _EXISTS,
    ("monitoring.coreos.com", "PodMonitor"): _EXISTS,
    ("monitoring.coreos.com", "Probe"): _EXISTS,
    ("monitoring.coreos.com", "PrometheusRule"): _EXISTS,
    ("monitoring.coreos.com", "AlertmanagerConfig"): _EXISTS,
    # Routing
    ("gateway.networking.k8s.io", "HTTPRoute"): _EXISTS,
    ("gateway.networking.k8s.io", "GRPCRoute"): _EXISTS,
    ("gateway.networking.k8s.io", "ReferenceGrant"): _EXISTS,
    ("inference.networking.k8s.io", "InferencePool"): _EXISTS,
    ("inference.networking.x-k8s.io", "InferencePool"): _EXISTS,
    ("metacontroller.k8s.io", "CompositeController"): _EXISTS,
    ("metacontroller.k8s.io", "DecoratorController"): _EXISTS,
}
