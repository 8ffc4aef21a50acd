"""mlops-nix: render, check and apply Kubernetes manifests of machine-learning platforms.

The names below are the public Python API of validation and of the cluster layer (`mlops_nix.cluster.library`); they are loaded
when they are first used, so that importing the package costs nothing::

    from mlops_nix import read, validate

    report = validate(read(["rendered/"]), kubernetes_version="1.36")
    for finding in report.findings:
        print(finding.severity, finding.ref, finding.path, finding.message)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_nix.cluster.library import apply, connect, delete, drift, load_set, plan, set_of, status, wait
    from mlops_nix.cluster.plan import Plan, Policy
    from mlops_nix.errors import (
        ExitCode,
        InputError,
        MlopsNixError,
        PolicyViolation,
        ToolMissing,
    )
    from mlops_nix.findings import Check, Finding, Severity, all_checks
    from mlops_nix.objects import ObjectRef, reference
    from mlops_nix.podsecurity import strictest_level
    from mlops_nix.schema import Schemas, write_kubeconform_schemas
    from mlops_nix.validation import Report, validate
    from mlops_nix.yamlio import Reading, read, read_objects

__all__ = [
    "Check",
    "ExitCode",
    "Finding",
    "InputError",
    "MlopsNixError",
    "ObjectRef",
    "Plan",
    "Policy",
    "PolicyViolation",
    "Reading",
    "Report",
    "Schemas",
    "Severity",
    "ToolMissing",
    "all_checks",
    "apply",
    "connect",
    "delete",
    "drift",
    "load_set",
    "plan",
    "read",
    "read_objects",
    "reference",
    "set_of",
    "status",
    "strictest_level",
    "validate",
    "wait",
    "write_kubeconform_schemas",
]

_PLACES = {
    "cluster.library": ("apply", "connect", "delete", "drift", "load_set", "plan", "set_of", "status", "wait"),
    "cluster.plan": ("Plan", "Policy"),
    "errors": ("ExitCode", "InputError", "MlopsNixError", "PolicyViolation", "ToolMissing"),
    "findings": ("Check", "Finding", "Severity", "all_checks"),
    "objects": ("ObjectRef", "reference"),
    "podsecurity": ("strictest_level",),
    "schema": ("Schemas", "write_kubeconform_schemas"),
    "validation": ("Report", "validate"),
    "yamlio": ("Reading", "read", "read_objects"),
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    for module, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
