"""Applying a set to a cluster: pure decisions in the middle, one transport at the edge.

Modules that decide (``answer``, ``immutable``, ``fields``, ``compare``, ``redact``, ``desired``, ``plan``, ``prune``,
``readiness``, ``drift``) take Kubernetes objects and give data. Modules that act (``api``, ``discovery``, ``survey``, ``execute``,
``wait``, ``inventory``, ``lock``, ``adopt``, ``credentials``) talk to a server through `transport.Transport` and tell what they do
as ``events``. ``operations`` puts them together into the commands.
"""
