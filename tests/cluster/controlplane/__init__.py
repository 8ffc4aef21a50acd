"""A real Kubernetes control plane for tests, without containers; see `running`."""

from .build import Unavailable, binaries
from .client import Answer, Api, Object
from .plane import USERS, ControlPlane, free_ports, running, write_kubeconfig

__all__ = [
    "USERS",
    "Answer",
    "Api",
    "ControlPlane",
    "Object",
    "Unavailable",
    "binaries",
    "free_ports",
    "running",
    "write_kubeconfig",
]
