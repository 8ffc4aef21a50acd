"""Generators of what lies in ``generated/``; they need the development dependencies."""
