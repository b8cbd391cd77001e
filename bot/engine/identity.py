"""By what a vendor may tell our members apart without learning who they are."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from bot.errors import StartupError

#: of DATA_DIR, readable for its owner alone
SALT_FILE = "member-salt"
SALT_BYTES = 32

#: from a member's id, what a vendor is told in its place; empty: nothing
MemberHash = Callable[[int], str]


def member_hash(salt: bytes) -> MemberHash:
    """
    HMAC-SHA256 in hexadecimal, 64 characters: always the same for one member of one host, and
    without the salt it leads nobody back to them, although ids of Discord can be tried out.
    """

    def of(user_id: int) -> str:
        return hmac.new(salt, str(user_id).encode(), hashlib.sha256).hexdigest()

    return of


def open_salt(folder: Path) -> bytes:
    """
    The salt of this folder, made once; blocks.

    Raises:
        StartupError: it can be neither read nor written, or is not what was written.
    """
    path = folder / SALT_FILE
    try:
        if not path.exists():
            _write_new(path)
        salt = path.read_bytes()
    except OSError as error:
        raise StartupError(f"DATA_DIR: {path} cannot be used ({error.strerror}).") from error
    if len(salt) != SALT_BYTES:
        raise StartupError(
            f"DATA_DIR: {path} is damaged. Remove it, and a new one is made: vendors then know"
            " your members by other names."
        )
    return salt


def _write_new(path: Path) -> None:
    """Whole or not at all: a process may die, and another may write its own meanwhile."""
    made = path.with_name(f"{SALT_FILE}.{secrets.token_hex(4)}")
    file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as writing:
            writing.write(secrets.token_bytes(SALT_BYTES))
            writing.flush()
            os.fsync(writing.fileno())
        made.rename(path)
    finally:
        made.unlink(missing_ok=True)
