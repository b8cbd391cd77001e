"""Makes a temporary folder, which the next start removes if this process is killed."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: file in each folder, locked for as long as the folder's process lives
LOCK_NAME = "in-use.lock"


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Make a folder and remove it on leaving; first remove folders of killed processes."""
    for found in Path(tempfile.gettempdir()).glob(f"{prefix}*/{LOCK_NAME}"):
        # The folder is in use, another user's, or already gone.
        with suppress(OSError):
            _remove_if_free(found)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        with (folder / "new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file gets its name only once it is locked, so no other start finds it free.
            Path(lock.name).rename(folder / LOCK_NAME)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_free(path: Path) -> None:
    with path.open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path.parent)
