"""Build the control plane's programs from their Go modules, once per content.

Nothing is downloaded but Go modules, whose hashes stand in `go.sum`. The programs go to
`$XDG_CACHE_HOME/mlops-nix/controlplane/KEY` (about 400 MB), KEY being a hash of `go.mod`,
`go.sum` and the build's own arguments; so a second test run, and every other suite, finds
them, and a changed version is never served by an old program.

A cold build takes ten CPU minutes; `MLOPS_NIX_BUILD_JOBS` (default: all cores) bounds the
compilers that run at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

KUBERNETES = "v1.36.3"
"""The release of the API server: the git version it reports, too."""

PROGRAMS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
"""Program -> Go package; each is upstream's own main package, a `tool` of our go.mod."""

STAGES = "kustomize/stage"
"""Folder of kwok's module with the life of simulated nodes and pods; copied beside the programs."""

MODULE = Path(__file__).parent
BUILD_SECONDS = 3600.0
_FLAGS = (
    "-mod=readonly",
    "-buildvcs=false",
    "-trimpath",
    "-ldflags",
    f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES}",
)
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}


class Unavailable(Exception):
    """The control plane cannot be had on this machine; the text says why, for `pytest.skip`."""


def cache_folder() -> Path:
    """Return the folder that holds one sub-folder of programs per content hash."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "mlops-nix" / "controlplane"


def content_key() -> str:
    """Return the hash of all that decides what is built."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((MODULE / name).read_bytes())
    digest.update(repr((_FLAGS, sorted(PROGRAMS.items()), sorted(_ENVIRONMENT.items()))).encode())
    return digest.hexdigest()[:20]


def binaries(*, build: bool = True) -> Path:
    """Return the folder with all of `PROGRAMS` and `stages/`, built now if it is not there.

    Two callers at once build once: the second waits for the first one's lock.

    Raises:
        Unavailable: Go is absent or older than go.mod asks for, or the build failed, or
            `build` is false and nothing is cached.
    """
    folder = cache_folder() / content_key()
    if (folder / "complete").is_file():
        return folder
    if not build:
        raise Unavailable(f"no control plane in {folder}; python -m tests.cluster.controlplane build")
    go = shutil.which("go")
    if go is None:
        raise Unavailable("Go is not on PATH: the control plane is built from Go modules")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").is_file():
            _build(go, folder)
    return folder


def _build(go: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as temporary:
        target = Path(temporary)
        jobs = os.environ.get("MLOPS_NIX_BUILD_JOBS")
        command = [go, "build", *(["-p", jobs] if jobs else []), *_FLAGS]
        # etcd's main package is called v3: it needs a name of its own.
        named = [package for name, package in PROGRAMS.items() if name != "etcd"]
        _run([*command, "-o", f"{target}/", *named])
        _run([*command, "-o", str(target / "etcd"), PROGRAMS["etcd"]])
        kwok = _run([go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]).strip()
        shutil.copytree(Path(kwok) / STAGES, target / "stages", copy_function=shutil.copyfile)
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.parent == target else 0o644)
        (target / "complete").write_text(f"{KUBERNETES}\n")
        if folder.exists():
            shutil.rmtree(folder)
        # The name `folder` exists only with all programs in it: a killed build leaves none.
        target.rename(folder)
        target.mkdir()


def _run(command: list[str]) -> str:
    nice = shutil.which("nice")
    try:
        done = subprocess.run(
            [*([nice, "-n", "10"] if nice else []), *command],
            cwd=MODULE,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"go build did not end within {BUILD_SECONDS:.0f} s") from error
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command[:2])} failed:\n{done.stderr[-2000:]}")
    return done.stdout
