"""What a demo leaves on the disk: nothing, and after a kill nothing once another one starts."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bot.playground.scratch import scratch_folder

WAIT_TO_BE_KILLED = """
from bot.playground.scratch import scratch_folder
with scratch_folder("easel-") as folder:
    (folder / "easel.db").touch()
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_the_folder_is_gone_afterwards(temporary: Path) -> None:
    with scratch_folder("easel-") as folder:
        (folder / "uploads").mkdir()
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_goes_at_the_next_start() -> None:
    command = [sys.executable, "-c", WAIT_TO_BE_KILLED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().decode().strip())
        with scratch_folder("easel-"):
            assert left.exists(), "it was still at work"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert left.exists()
    with scratch_folder("easel-") as folder:
        assert not left.exists()
        assert folder.exists()


def test_what_another_program_left_stays(temporary: Path) -> None:
    (temporary / "easel-notes").mkdir()
    with scratch_folder("easel-"):
        pass
    assert (temporary / "easel-notes").exists()
