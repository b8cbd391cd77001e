"""One process on one database, for as long as that process lives."""

import asyncio
import fcntl
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.errors import StartupError
from bot.store import lock
from bot.store.lock import is_in_use, sole_folder, sole_use

HOLD = """
import sys
from bot.store.lock import sole_use
with sole_use(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_use_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'data' / 'easel.db'}"
    with sole_use(url):
        assert is_in_use(url)
        with pytest.raises(StartupError, match="in use by another") as refused, sole_use(url):
            pass
        assert not refused.value.usage
        assert is_in_use(url)
    assert not is_in_use(url)
    with sole_use(url):
        pass


def test_links_in_a_circle_are_in_nobody_s_use(tmp_path: Path) -> None:
    circle = tmp_path / "easel.db"
    circle.symlink_to(circle)
    assert not is_in_use(f"sqlite:///{circle}")


def test_who_only_looks_whether_it_is_in_use_keeps_no_process_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "easel.db.lock").open("a") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == lock.TRIES_MAX - 1:
                fcntl.flock(look, fcntl.LOCK_UN)

        monkeypatch.setattr(lock, "time", SimpleNamespace(sleep=wait))
        with sole_use(f"sqlite:///{tmp_path / 'easel.db'}"):
            assert waited == [lock.TRY_AGAIN_S] * (lock.TRIES_MAX - 1)


def test_another_name_of_the_database_is_the_same_database(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "other").symlink_to(tmp_path / "data")
    (tmp_path / "link.db").symlink_to(tmp_path / "data" / "easel.db")
    with sole_use(f"sqlite:///{tmp_path / 'data' / 'easel.db'}"):
        assert is_in_use(f"sqlite:///{tmp_path / 'other' / 'easel.db'}")
        assert is_in_use(f"sqlite:///{tmp_path / 'link.db'}")
        assert not is_in_use(f"sqlite:///{tmp_path / 'data' / 'second.db'}")


def test_a_folder_is_one_processs_whatever_its_database(tmp_path: Path) -> None:
    with sole_folder(tmp_path):
        with pytest.raises(StartupError, match=r"is in use") as refused, sole_folder(tmp_path):
            pass
        assert str(refused.value).startswith("DATA_DIR ")
        assert refused.value.usage
        (tmp_path / "other").mkdir()
        with sole_folder(tmp_path / "other"):
            pass
    with sole_folder(tmp_path):
        pass


def test_asking_leaves_nothing_behind(tmp_path: Path) -> None:
    assert not is_in_use(f"sqlite:///{tmp_path / 'data' / 'easel.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    url = f"sqlite:///{tmp_path / 'data' / 'easel.db'}"
    with pytest.raises(StartupError, match=r"cannot be used: .+\.$"), sole_use(url):
        pass


async def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'easel.db'}"
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLD,
        url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    assert is_in_use(url)
    holder.send_signal(signal.SIGKILL)
    await holder.communicate()
    with sole_use(url):
        pass
