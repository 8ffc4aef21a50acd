"""Kubeflow Pipelines as rendered here is what upstream ships, but for what kubeflow-pipelines.yaml lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from compare import compare, explanations, reference, rendered

if TYPE_CHECKING:
    from collections.abc import Callable

    from compare import Explanation

LIST = Path(__file__).with_name("kubeflow-pipelines.yaml")

# The configuration in which ours is meant to be upstream's overlay: its parts, its certificates, its namespace.
VARIANTS = {
    "standard": (
        ["kubeflow-pipelines-2.17.0.yaml", "kubeflow-pipelines-2.17.0-cluster-scoped.yaml"],
        'v1Components = true; cacheCertificate = "cache-deployer";',
    ),
    "k8s-native": (
        ["kubeflow-pipelines-2.17.0-k8s-native.yaml", "kubeflow-pipelines-2.17.0-cluster-scoped.yaml"],
        'v1Components = true; cacheCertificate = "cache-deployer"; pipelineStore = "kubernetes";',
    ),
    "multi-user": (
        ["kubeflow-pipelines-2.17.0-multi-user-cert-manager.yaml"],
        "v1Components = true; multiUser.enabled = true;",
    ),
}

POSTGRESQL = "kubeflow-pipelines-2.17.0-postgresql.yaml"


@pytest.fixture(scope="module")
def listed() -> list[Explanation]:
    return explanations(LIST)


@pytest.mark.parametrize("variant", VARIANTS)
def test_differs_from_upstream_only_as_listed(
    variant: str, listed: list[Explanation], record_property: Callable[[str, object], None]
) -> None:
    files, options = VARIANTS[variant]
    upstream = [item for name in files for item in reference(name)]
    ours = rendered(f'(mlops.mkKubeflowPipelines {{ name = "pipeline"; version = "2.17.0"; {options} }}).objects')
    result = compare(variant, ours, upstream, listed)
    record_property("objects", str(result))
    assert not result.problems(), "\n".join([str(result), *result.problems()])


def test_upstreams_postgresql_overlay_cannot_work_and_is_refused() -> None:
    """The reasons that the error gives stand in upstream's own rendering."""
    upstream = {f"{item['kind']}/{item['metadata']['name']}": item for item in reference(POSTGRESQL)}
    install = upstream["ConfigMap/pipeline-install-config"]["data"]
    server = upstream["Deployment/ml-pipeline"]["spec"]["template"]["spec"]["containers"][0]
    assert f"Service/{install['postgresHost']}" not in upstream
    assert not {"V2_DRIVER_IMAGE", "OBJECTSTORECONFIG_HOST"} & {entry["name"] for entry in server["env"]}
    with pytest.raises(AssertionError, match=r"metadata\.database: Kubeflow Pipelines works with mysql only"):
        rendered('(mlops.mkKubeflowPipelines { name = "pipeline"; metadata.database = "postgresql"; }).objects')
