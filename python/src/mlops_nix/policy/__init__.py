"""The policy checks, a module for each family.

Each module exposes ``CHECKS``, a `mlops_nix.findings.Family`; the registry finds the modules by their place.
"""
