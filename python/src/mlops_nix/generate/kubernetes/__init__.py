"""Generator of ``generated/kubernetes``: compact schemas of the Kubernetes API, read by Nix and by Python.

The format is described in ``generated/kubernetes/README.md``. ``structure`` makes one compact node from one JSON
schema, ``core`` and ``custom`` find the schemas (PyPI ``kubernetes-validate``; CRDs of upstream projects), ``pattern``
translates regular expressions for Nix, ``write`` writes the folder.
"""
