"""A temporary folder that the next start removes if its process was killed; not what is in it."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: in each folder; held for as long as its process lives
LOCK_NAME = "in-use.lock"


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Make a folder that is gone afterwards, and remove those of processes that were killed."""
    for found in Path(tempfile.gettempdir()).glob(f"{prefix}*/{LOCK_NAME}"):
        # Held, of another user, or already gone.
        with suppress(OSError):
            _remove_if_free(found)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        with (folder / "new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Only named once it is held, so that no other start finds it free.
            Path(lock.name).rename(folder / LOCK_NAME)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_free(path: Path) -> None:
    with path.open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path.parent)
