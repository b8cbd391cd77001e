"""Hashes by which a vendor can tell members apart without learning who they are."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from bot.errors import StartupError

#: a file in DATA_DIR that only its owner can read
SALT_FILE = "member-salt"
SALT_BYTES = 32

#: a member's id -> what a vendor is told in its place; empty: nothing
MemberHash = Callable[[int], str]


def member_hash(salt: bytes) -> MemberHash:
    """
    A function from a member's id to its HMAC-SHA256 in hexadecimal, 64 characters.

    A host always gives a member the same hash. Without the salt nobody finds the member by it, not
    even by trying all of Discord's ids.
    """

    def of(user_id: int) -> str:
        return hmac.new(salt, str(user_id).encode(), hashlib.sha256).hexdigest()

    return of


def open_salt(folder: Path) -> bytes:
    """
    Read the folder's salt, or make it the first time; blocks.

    Raises:
        StartupError: the salt cannot be read or written, or is damaged.
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
    """Write the file whole or not at all: a process may die, and another may write meanwhile."""
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
