"""Exports what is stored of a member or a server into ZIP files of JSON and images, on disk."""

import asyncio
import contextlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from bot.pictures.folder import FETCHED, drop, sheet_name
from bot.store import export as steps
from bot.store import privacy
from bot.store.database import Database

#: bytes that a ZIP takes beside its contents: at its end, and for each file beside its name
END_BYTES = 22
HEADS_BYTES = 30 + 46 + 64
ENTRIES_IN_FILE = 10_000


class Parcel(Struct):
    """
    Several ZIP files, filled one after the other; all methods block.

    Args:
        stem: how the ZIP files' names begin.
        bytes_max: of one ZIP file.
        parts_max: ZIP files at most; what does not fit into them is left out.
    """

    folder: Path
    stem: str
    bytes_max: float
    parts_max: int
    paths: list[Path] = field(default_factory=list)
    #: names of the entries that did not fit
    left_out: list[str] = field(default_factory=list)
    _zip: zipfile.ZipFile | None = None
    _size_bytes: int = 0

    def put_json(self, name: str, values: object) -> None:
        data = json.dumps(values, ensure_ascii=False, indent=1).encode(errors="replace")
        if file := self._with_room(name, len(zlib.compress(data))):
            file.writestr(name, data, zipfile.ZIP_DEFLATED)

    def put_file(self, name: str, path: Path) -> None:
        """Add a file; a file that is gone is skipped."""
        try:
            if file := self._with_room(name, path.stat().st_size):
                file.write(path, name, zipfile.ZIP_STORED)
        except FileNotFoundError:
            return

    def close(self) -> None:
        if self._zip:
            self._zip.close()
            self._zip = None

    def remove(self) -> None:
        # What the disk took only in part cannot be closed in order, and need not be.
        with contextlib.suppress(OSError, ValueError):
            self.close()
        for path in self.paths:
            drop(path)

    def _with_room(self, name: str, size_bytes: int) -> zipfile.ZipFile | None:
        """The ZIP file that takes the entry, a new one if this one is full; None: it fits none."""
        taken = size_bytes + HEADS_BYTES + 2 * len(name.encode())
        is_full = self._zip is None or self._size_bytes + taken > self.bytes_max
        if taken + END_BYTES > self.bytes_max or (is_full and len(self.paths) == self.parts_max):
            self.left_out.append(name)
            return None
        if is_full:
            self.close()
            path = self.folder / f"{self.stem}-{len(self.paths) + 1}{FETCHED}"
            self.paths.append(path)
            # It holds what members wrote: no other user of the machine may read it.
            path.touch(0o600)
            self._zip = zipfile.ZipFile(path, "w")
            self._size_bytes = END_BYTES
        self._size_bytes += taken
        return self._zip


class Export:
    """
    Args:
        images: where stored images lie.
    """

    def __init__(self, database: Database, images: Path) -> None:
        self._database = database
        self._images = images

    async def of_member(self, user_id: int, parcel: Parcel) -> None:
        """Export what is stored of a member: JSON first, then the images, the newest first."""
        whose = {"user": user_id}
        await _put(parcel, await self._database.read(steps.rest, steps.OF_MEMBER, whose))
        await self._trail(parcel, steps.TRAIL_OF_MEMBER, whose)
        names: list[str] = []
        held: dict[str, list[steps.Values]] = {name: [] for name in steps.OF_ACCOUNT}
        servers = await self._database.read(privacy.servers_of, user_id)
        for server_id in servers:
            names += await self._jobs(parcel, server_id, user_id)
            await self._entries(parcel, server_id, user_id)
            of_account = await self._database.read(
                steps.rest, steps.OF_ACCOUNT, whose | {"server": server_id}
            )
            for name, values in of_account.items():
                held[name] += values
        await _put(parcel, held)
        for name in sorted(names, reverse=True):
            await asyncio.to_thread(parcel.put_file, f"images/{name}", self._images / name)
        await asyncio.to_thread(parcel.close)

    async def of_server(self, server_id: int, parcel: Parcel) -> None:
        """Export what is stored of a server, without its members' images."""
        whose = {"server": server_id}
        rest = await self._database.read(steps.rest, steps.OF_SERVER, whose)
        await _put(parcel, rest)
        await self._trail(parcel, steps.TRAIL_OF_SERVER, whose)
        await self._jobs(parcel, server_id)
        for account in rest["accounts"]:
            await self._entries(parcel, server_id, account["user_id"])
        await asyncio.to_thread(parcel.close)

    async def _trail(
        self, parcel: Parcel, statements: Mapping[str, str], whose: Mapping[str, int]
    ) -> None:
        for name, statement in statements.items():
            held: list[steps.Values] = []
            after = 0
            while some := await self._database.read(steps.some_rows, statement, whose, after):
                held += some
                after = some[-1]["id"]
            await asyncio.to_thread(parcel.put_json, f"{name}.json", held)

    async def _jobs(self, parcel: Parcel, server_id: int, user_id: int | None = None) -> list[str]:
        """
        Export the jobs of a server, or of one member in it; returns the names of their images, and
        of the sheets that show their references, where there may be one.
        """
        names: list[str] = []
        after, number = "", 0
        while jobs := await self._database.read(steps.some_jobs, server_id, after, user_id):
            after, number = jobs[-1]["id"], number + 1
            file = f"jobs-{_place(server_id)}-{number:04}.json"
            await asyncio.to_thread(parcel.put_json, file, jobs)
            names += [name for job in jobs for name in (*job["images"], sheet_name(job["id"]))]
        return names

    async def _entries(self, parcel: Parcel, server_id: int, user_id: int) -> None:
        whose = {"server": server_id, "user": user_id}
        number = after = 0
        held: list[steps.Values] = []
        while True:
            some = await self._database.read(steps.some_rows, steps.ENTRIES_OF, whose, after)
            held += some
            if held and (not some or len(held) >= ENTRIES_IN_FILE):
                number += 1
                file = f"entries-{_place(server_id)}-{user_id}-{number:04}.json"
                await asyncio.to_thread(parcel.put_json, file, held)
                held = []
            if not some:
                return
            after = some[-1]["id"]


async def _put(parcel: Parcel, rest: Mapping[str, object]) -> None:
    for name, values in rest.items():
        await asyncio.to_thread(parcel.put_json, f"{name}.json", values)


def _place(server_id: int) -> str:
    return str(server_id) if server_id else "direct-messages"
