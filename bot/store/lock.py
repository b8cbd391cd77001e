"""The locks that keep a database and a folder to one process, until it ends in any way."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from msgspec import Struct

from bot.errors import StartupError
from bot.store.database import database_path

#: tries to take the lock: a process that only looks whether it is held has it for a moment
TRIES_MAX = 3
TRY_AGAIN_S = 0.1


class Use(Struct, frozen=True):
    """How a process uses the database: alone, with a lock file; or beside another process."""

    _file: TextIO | None
    #: when the process before this one was last known to be alive; None: there was none
    last_sign: datetime | None

    def give_sign(self) -> None:
        """Let the next process know how long this one lived."""
        if self._file:
            # Not by its name, because somebody may have tidied the file away.
            os.utime(self._file.fileno())


@contextmanager
def sole_use(url: str) -> Iterator[Use]:
    """
    Keep other processes off the database; the system frees the lock when this process dies.

    The lock is on a file beside the database, because closing a handle of the database itself would
    drop SQLite's own locks. It also works among containers of one machine that share the folder.

    Raises:
        StartupError: another process has the lock, or its file cannot be opened.
    """
    path = _lock_path(url)
    advice = "stop that one first, or give this one a DATABASE_URL and a DATA_DIR of its own"
    with _said_if_held(f"The database {url}", advice):
        last_sign = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None
        file = _open_locked(path)
    with file:
        use = Use(file, last_sign)
        use.give_sign()
        try:
            yield use
        finally:
            use.give_sign()


@contextmanager
def sole_folder(folder: Path) -> Iterator[None]:
    """
    Keep processes with other databases out of a DATA_DIR, since each would remove the others' files
    as nobody's.

    Raises:
        StartupError: another process has the folder, or the lock's file cannot be opened.
    """
    with _said_if_held(f"DATA_DIR {folder}", "give this one its own", usage=True):
        file = _open_locked(folder / "images.lock")
    with file:
        yield


def is_in_use(url: str) -> bool:
    """Whether another process has the lock right now; leaves nothing behind."""
    try:
        with _lock_path(url).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def _said_if_held(what: str, advice: str, *, usage: bool = False) -> Iterator[None]:
    """
    Args:
        usage: whether it is a wrong setting that another process has the lock.
    """
    try:
        yield
    except BlockingIOError as error:
        raise StartupError(
            f"{what} is in use by another process of Easel: {advice}.", usage=usage
        ) from error
    except OSError as error:
        raise StartupError(f"{what} cannot be used: {error.strerror}.") from error


def _lock_path(url: str) -> Path:
    # Resolved, so that two names of one database lead to one lock; not by pathlib, which before
    # Python 3.13 fails on links that lead in a circle with what is no OSError.
    database = Path(os.path.realpath(database_path(url)))
    return database.with_name(f"{database.name}.lock")


def _open_locked(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    for attempt in range(1, TRIES_MAX + 1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if attempt == TRIES_MAX or not isinstance(error, BlockingIOError):
                file.close()
                raise
            time.sleep(TRY_AGAIN_S)
    return file
