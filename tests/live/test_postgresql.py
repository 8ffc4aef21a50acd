"""The single PostgreSQL server, started from the rendered StatefulSet, with its Job and CronJob run against it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if str(Path(__file__).resolve().parents[2]) not in sys.path:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.cluster import Cluster, Failed, rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGE = "docker.io/library/postgres:17.9"
PLATFORM = """
mlops.mkPlatform {
  name = "databases";
  components.postgres = mlops.mkPostgreSQL {
    namespace = "ml-data";
    databases = [
      "mlflow"
      { name = "registry"; owner = "registry_app"; extensions = [ "pg_trgm" "uuid-ossp" ]; }
      %s
    ];
    parameters = { shared_buffers = "48MB"; log_connections = true; statement_timeout = 60000; search_path = "\\"$user\\", public"; };
    backup = { enabled = true; retentionDays = 3; };
  };
}
"""
NASTY = "p@ss:/%'\"\\ $(HOME) $x `id` é#?&;*"
PASSWORDS = {
    ("ml-data", "postgres-superuser", "password"): f"super {NASTY}",
    ("ml-data", "postgres-mlflow", "password"): NASTY,
}


class Database:
    """The cluster, and a way to ask its database as some user."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def password(self, user: str) -> str:
        name = "superuser" if user == "postgres" else user.replace("_", "-")
        return self.cluster.secrets["ml-data", f"postgres-{name}"]["password"]

    def ask(self, user: str, database: str, statement: str, password: str | None = None) -> str:
        return self.cluster.program(
            *["ml-data", IMAGE, "psql", "--no-psqlrc", "--no-password", "--tuples-only", "--no-align"],
            *["--set=ON_ERROR_STOP=1", f"--command={statement}"],
            env={
                "PGHOST": "postgres.ml-data.svc",
                "PGUSER": user,
                "PGDATABASE": database,
                "PGPASSWORD": self.password(user) if password is None else password,
            },
        ).strip()

    def provision(self) -> str:
        return self.cluster.complete("Job", "postgres-databases")


@pytest.fixture(scope="module")
def database(cluster_of: Callable[..., Cluster]) -> Iterator[Database]:
    cluster = cluster_of(PLATFORM % "", PASSWORDS)
    cluster.start("StatefulSet", "postgres")
    ours = Database(cluster)
    ours.provision()
    return ours


def test_parameters_are_in_force(database: Database) -> None:
    settings = {
        "shared_buffers": "48MB",
        "max_connections": "200",
        "log_connections": "on",
        "statement_timeout": "1min",
        "search_path": '"$user", public',
        "data_checksums": "on",
        "password_encryption": "scram-sha-256",
    }
    for name, value in settings.items():
        assert database.ask("postgres", "postgres", f"SHOW {name}") == value, name


def test_every_database_has_its_owner_and_extensions(database: Database) -> None:
    owners = "SELECT datname || '=' || pg_get_userbyid(datdba) FROM pg_database WHERE NOT datistemplate ORDER BY 1"
    found = set(database.ask("postgres", "postgres", owners).splitlines())
    assert {"mlflow=mlflow", "registry=registry_app", "postgres=postgres"} <= found
    extensions = database.ask("registry_app", "registry", "SELECT extname FROM pg_extension ORDER BY 1")
    assert extensions.splitlines() == ["pg_trgm", "plpgsql", "uuid-ossp"]
    assert database.ask("mlflow", "mlflow", "SELECT extname FROM pg_extension") == "plpgsql"


def test_an_owner_works_in_its_database_and_is_no_superuser(database: Database) -> None:
    database.ask("mlflow", "mlflow", "CREATE TABLE own (x int); DROP TABLE own")
    rights = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles WHERE rolname = 'mlflow'"
    assert database.ask("mlflow", "mlflow", rights) == "f"


def test_a_wrong_password_and_other_peoples_databases_are_refused(database: Database) -> None:
    with pytest.raises(Failed, match="password authentication failed"):
        database.ask("mlflow", "mlflow", "SELECT 1", password="wrong")
    for user, other in (("mlflow", "registry"), ("registry_app", "mlflow")):
        with pytest.raises(Failed, match=f'permission denied for database "{other}"'):
            database.ask(user, other, "SELECT 1")


def test_the_job_again_changes_nothing(database: Database) -> None:
    database.ask("mlflow", "mlflow", "CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS answer")
    database.provision()
    assert database.ask("mlflow", "mlflow", "SELECT answer FROM kept") == "42"


def test_the_job_says_why_it_failed_and_names_no_password(database: Database) -> None:
    broken = PLATFORM % '{ name = "broken"; extensions = [ "no_such_extension" ]; }'
    database.cluster.update(rendered(broken))
    try:
        with pytest.raises(Failed, match="no_such_extension") as failure:
            database.provision()
        assert database.password("broken") not in str(failure.value)
    finally:
        database.cluster.update(rendered(PLATFORM % ""))


def test_a_database_that_is_added_later_is_made(database: Database) -> None:
    database.cluster.update(rendered(PLATFORM % '"later" { name = "users"; owner = "later"; }'))
    database.provision()
    assert database.ask("later", "later", "SELECT current_user") == "later"
    assert database.ask("later", "users", "SELECT current_database()") == "users"


def test_a_new_password_takes_the_place_of_the_old_one(database: Database) -> None:
    old = database.password("registry_app")
    database.cluster.secrets["ml-data", "postgres-registry-app"]["password"] = f"\\{NASTY}:new -e"
    database.provision()
    assert database.ask("registry_app", "registry", "SELECT 1") == "1"
    with pytest.raises(Failed, match="password authentication failed"):
        database.ask("registry_app", "registry", "SELECT 1", password=old)


def test_the_backup_is_whole_and_old_ones_go(database: Database) -> None:
    database.ask("mlflow", "mlflow", "CREATE TABLE IF NOT EXISTS saved AS SELECT generate_series(1, 1000) AS x")
    volume = database.cluster.claim("ml-data", "postgres-backup")
    database.cluster.complete("CronJob", "postgres-backup")
    dumps = {path.name.partition("-")[0]: path for path in volume.glob("*.dump")}
    assert {"mlflow", "registry"} <= set(dumps)
    listing = database.cluster.complete("CronJob", "postgres-backup")
    assert not list(volume.glob("*.part")), listing

    # A dump of pg_dump's own format, that gives the table back.
    tools = Path("/usr/lib/postgresql")
    restore = max(tools.glob("*/bin/pg_restore"))
    table = subprocess.run(
        [restore, "--table=saved", "--data-only", "--file=-", dumps["mlflow"]],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    assert [line for line in table.splitlines() if line.isdigit()] == [str(number) for number in range(1, 1001)]

    day = 86400
    ages = {"mlflow-old.dump": 5, "mlflow-young.dump": 2, "left.part": 2, "notes.txt": 100}
    for name, days in ages.items():
        (volume / name).write_text(name, encoding="utf-8")
        os.utime(volume / name, (time.time() - days * day,) * 2)
        os.chown(volume / name, 999, 999)
    database.cluster.complete("CronJob", "postgres-backup")
    assert {name for name in ages if (volume / name).exists()} == {"mlflow-young.dump", "notes.txt"}


def test_a_failing_dump_fails_the_job_and_leaves_no_dump(database: Database) -> None:
    volume = database.cluster.claim("ml-data", "postgres-backup")
    before = {path.name for path in volume.glob("*.dump")}
    superuser = database.cluster.secrets["ml-data", "postgres-superuser"]
    right = superuser["password"]
    superuser["password"] = "not that"
    try:
        with pytest.raises(Failed, match="password authentication failed"):
            database.cluster.complete("CronJob", "postgres-backup")
    finally:
        superuser["password"] = right
    assert {path.name for path in volume.glob("*.dump")} == before


def test_the_server_survives_a_kill_and_ends_in_time(database: Database) -> None:
    database.ask("mlflow", "mlflow", "CREATE TABLE IF NOT EXISTS survivor AS SELECT 'here' AS word")
    cluster = database.cluster
    pod = next(pod for pod in cluster.pods if pod.name == "postgres-0")
    pod.kill()
    with pytest.raises(Failed):
        database.ask("mlflow", "mlflow", "SELECT 1")
    pod = cluster.start("StatefulSet", "postgres")
    assert "not properly shut down; automatic recovery in progress" in pod.main.output()
    assert database.ask("mlflow", "mlflow", "SELECT word FROM survivor") == "here"

    assert pod.main.stop(), "still there after the grace period"
    assert "database system is shut down" in pod.main.output()
    pod.remove()
    cluster.start("StatefulSet", "postgres")
    assert database.ask("mlflow", "mlflow", "SELECT word FROM survivor") == "here"


def test_the_server_may_write_to_its_volumes_only(database: Database) -> None:
    pod = next(pod for pod in database.cluster.pods if pod.name == "postgres-0")
    attempts = "for place in / /usr /etc /var /var/lib; do touch $place/probe 2>&1; done; touch /tmp/probe /var/run/postgresql/probe && echo fine"
    lines = pod.main.execute("sh", "-c", attempts).stdout.splitlines()
    assert lines[-1] == "fine"
    assert len([line for line in lines if "Read-only file system" in line]) == 5
    assert pod.main.execute("id", "-u").stdout.strip() == "999"
    status = pod.main.execute("cat", "/proc/1/status").stdout
    assert "NoNewPrivs:\t1" in status
    assert "CapBnd:\t0000000000000000" in status
