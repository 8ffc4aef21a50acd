"""What stands for a container image: folders of programs of this machine that are put on the PATH of the container.

No image can be pulled where these tests run. A row of the table below gives the program of an image from Debian, PyPI or the Go
module proxy instead, with what the image's entry point does before the program starts.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.live.venvs import CACHE, Unavailable, environment

if TYPE_CHECKING:
    from collections.abc import Callable

MOTO = "test/moto"
MARIADB = "test/mariadb"

MLFLOW_DRIVERS = ["psycopg2-binary", "boto3", "pymysql", "cryptography", "prometheus-flask-exporter"]


@dataclass(frozen=True)
class Image:
    """Folders for PATH, folders that must be visible in the container, and the entry point before the arguments."""

    path: list[str]
    folders: list[Path] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    # Variables that the image sets.
    variables: dict[str, str] = field(default_factory=dict)
    # What a kubelet sends to end the container: the image may name another signal than SIGTERM.
    stop: signal.Signals = signal.SIGTERM
    # The system's own folders come last on the PATH, or not at all where the image has less than a Debian.
    system: bool = True


def _mlflow(tag: str) -> Image:
    version = tag.removeprefix("v").removesuffix("-full")
    extras = MLFLOW_DRIVERS if tag.endswith("-full") or version.startswith("2.") else []
    name = "mlflow[auth]" if extras else "mlflow"
    # 2.x does not start with SQLAlchemy 2.1, which came after it.
    pin = ["sqlalchemy<2.1"] if version.startswith("2.") else []
    folder = environment(f"mlflow-{version}", [f"{name}=={version}", *extras, *pin])
    return Image([f"{folder}/bin"], [folder], variables={"LANG": "C.UTF-8"})


def _moto(_tag: str) -> Image:
    folder = environment("moto", ["moto[server]>=5,<6"])
    return Image([f"{folder}/bin"], [folder])


# What the official image does when it is given options only: make the data directory where it is empty, then start the server.
_POSTGRES_ENTRYPOINT = r"""
set -eu
case "${1:-}" in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" != postgres ]; then exec "$@"; fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/pwfile
  eval "initdb -D \"\$PGDATA\" --username=postgres --pwfile=/tmp/pwfile ${POSTGRES_INITDB_ARGS:-}"
  rm /tmp/pwfile
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
fi
exec "$@"
"""


def _postgres(_tag: str) -> Image:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise Unavailable("PostgreSQL is not installed (apt-get install postgresql)")
    # Debian's own psql in /usr/bin is a wrapper; the real programs come first.
    return Image(
        [str(found[-1].parent)],
        entrypoint=["sh", "-c", _POSTGRES_ENTRYPOINT, "docker-entrypoint.sh"],
        # Also the encoding of new databases. The image says en_US.utf8, which not every machine has.
        variables={"LANG": "C.UTF-8"},
        stop=signal.SIGINT,
    )


def _mariadb(_tag: str) -> Image:
    program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    if program is None:
        raise Unavailable("MariaDB, which stands for MySQL, is not installed (apt-get install mariadb-server-core)")
    return Image([str(Path(program).parent)])


def _built(program: str) -> Path:
    found = shutil.which(program) or shutil.which(program, path=str(CACHE / "bin"))
    # `mc` is also the name of a file manager.
    if found is None or (program == "mc" and Path(found).stat().st_size < 10_000_000):
        raise Unavailable(
            f"{program} of MinIO is not on the PATH nor in {CACHE / 'bin'} "
            f"(GOBIN={CACHE / 'bin'} go install github.com/minio/{program}@latest takes minutes)"
        )
    return Path(found)


def _minio(_tag: str) -> Image:
    program = _built("minio")
    return Image([str(program.parent)], [program.parent], ["sh", "-c", 'exec minio "$@"', "docker-entrypoint.sh"])


def _mc(_tag: str) -> Image:
    """The client's image is built on ubi-micro: a shell and coreutils, but no grep, sed, awk or find (minio/mc#4764)."""
    program = _built("mc")
    bare = CACHE / "mc-image"
    bare.mkdir(parents=True, exist_ok=True)
    coreutils = (
        "cat cp cut date dirname env expr head ls mkdir mv printenv printf rm sleep sort tail tee test touch tr true wc"
    )
    programs = {"mc": str(program)}
    programs |= {
        name: found for name in ["sh", *coreutils.split()] if (found := shutil.which(name, path="/usr/bin:/bin"))
    }
    for name, target in programs.items():
        link = bare / name
        if not link.is_symlink():
            link.symlink_to(target)
    return Image([str(bare)], [bare, program.parent], ["mc"], system=False)


def _seaweedfs(_tag: str) -> Image:
    program = shutil.which("weed") or shutil.which("weed", path=str(CACHE / "bin"))
    if program is None:
        raise Unavailable(
            "SeaweedFS (weed) is not on the PATH: neither Debian, PyPI nor the Go module proxy has it, its releases and its "
            "container image do"
        )
    folder = Path(program).parent
    return Image([str(folder)], [folder], ["sh", "-c", 'exec weed "$@"', "entrypoint.sh"])


TABLE: dict[str, Callable[[str], Image]] = {
    r"ghcr\.io/mlflow/mlflow": _mlflow,
    r"docker\.io/library/postgres": _postgres,
    r"quay\.io/minio/minio": _minio,
    r"quay\.io/minio/mc": _mc,
    r"ghcr\.io/chrislusf/seaweedfs": _seaweedfs,
    MOTO: _moto,
    MARIADB: _mariadb,
}


def image(reference: str) -> Image:
    """The programs of an image.

    Raises:
        Unavailable: when they cannot be had on this machine.
    """
    name, _, tag = reference.partition("@")[0].rpartition(":")
    if "/" in tag or not name:
        name, tag = reference, "latest"
    for pattern, find in TABLE.items():
        if re.fullmatch(pattern, name):
            return find(tag)
    raise Unavailable(f"no program of this machine stands for the image {reference}")


def require_isolation() -> None:
    """Namespaces of mounts, processes and the network are what pods are made of here.

    Raises:
        Unavailable: where they cannot be made.
    """
    if os.geteuid() != 0:
        raise Unavailable("pods are made of namespaces, which takes root here")
    for program in ("unshare", "nsenter", "setpriv", "chroot", "ip", "mount"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is missing (apt-get install util-linux iproute2)")
