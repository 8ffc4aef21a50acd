"""KServe 0.20.0: the operator and InferenceServices against upstream's own manifests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import compare
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

LIST = Path(__file__).parent / "kserve.yaml"

# Upstream ships the values of a demonstration; here they are asked for, so that what is left is ours by intention.
SHIPPED = 'ingress = { class = "istio"; domain = "example.com"; };'
ALL = "llmisvc.enabled = true; localModel.enabled = true;"

OPERATOR = {
    "controller": ("kserve-controller-0.20.0.yaml", f"{SHIPPED} runtimes.install = [ ];"),
    "all": ("kserve-0.20.0.yaml", f"{SHIPPED} {ALL} runtimes.install = [ ];"),
    "cluster-resources": ("kserve-cluster-resources-0.20.0.yaml", ""),
    "kubeflow": (
        "kserve-kubeflow-0.20.0.yaml",
        f'{SHIPPED} {ALL} kubeflow = true; namespace = "kubeflow"; runtimes.install = [ ];',
    ),
}


def of_kinds(objects: Iterable[compare.Object], kinds: tuple[str, ...]) -> list[compare.Object]:
    return [item for item in objects if item["kind"] in kinds]


@pytest.mark.parametrize("variant", OPERATOR)
def test_operator_equals_upstream(variant: str) -> None:
    file, options = OPERATOR[variant]
    upstream = compare.reference(file)
    ours = compare.rendered(f"(mlops.mkKServe {{ {options} }}).objects")
    if variant == "cluster-resources":
        ours = of_kinds(ours, ("ClusterServingRuntime", "LLMInferenceServiceConfig"))
    result = compare.compare(variant, ours, upstream, compare.explanations(LIST))
    print(result)
    assert not result.problems(), "\n".join(result.problems())
