"""Keeps files on disk and signs links to them, which expire; must not know messages."""

import hashlib
import hmac
import mimetypes
import re
import secrets
import warnings
from collections.abc import AsyncIterable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from aiohttp import web
from PIL import Image

from bot.playground.discord.errors import Form, Json, refusal
from bot.playground.discord.world import Attachment, StoredFile, World

#: Source: Discord docs, "Uploading Files" and "Receiving and Responding" (attachment_size_limit).
FILE_BYTES_MAX = 10 * 1024 * 1024
#: How long a link works. Source: Discord's notice on signed attachment links: one day.
LINK_LIFE_S = 24 * 60 * 60
REFRESH_URLS_MAX = 50
SPOILER = 1 << 5  #: Discord docs, "Message Resource", Attachment Flags
#: The oldest files are removed first.
ATTACHMENTS_KEPT_MAX = 50_000


class Cdn:
    """Keeps files in a temporary folder and gives out links that expire."""

    def __init__(self, world: World, folder: Path | None = None) -> None:
        self._world = world
        self._folder = TemporaryDirectory(
            prefix="playground-cdn-", dir=folder, ignore_cleanup_errors=True
        )
        self._secret = secrets.token_bytes(32)
        self._attachments: dict[int, Attachment] = {}
        self._files_stored = 0
        #: set once the server knows its port
        self.base_url = ""

    def close(self) -> None:
        """Remove all files."""
        self._folder.cleanup()

    async def store(
        self, filename: str, chunks: AsyncIterable[bytes], bytes_max: int = FILE_BYTES_MAX
    ) -> StoredFile:
        """Write a file chunk by chunk; refuse it (40005) once it exceeds `bytes_max`."""
        self._files_stored += 1
        path = Path(self._folder.name, f"{self._files_stored}")
        size_bytes = 0
        with path.open("wb") as file:  # noqa: ASYNC230 - it takes no time
            async for chunk in chunks:
                size_bytes += len(chunk)
                if size_bytes > bytes_max:
                    path.unlink()  # noqa: ASYNC240 - it takes no time
                    raise refusal(40005)
                file.write(chunk)
        return _inspect(path, filename, size_bytes)

    def attach(self, file: StoredFile, channel_id: int, **about: Any) -> Attachment:
        """
        Give a stored file an id and so an address.

        Args:
            about: further fields of the Attachment.
        """
        new_id = self._world.new_id()
        attachment = Attachment(new_id, channel_id, file, **about)
        if len(self._attachments) >= ATTACHMENTS_KEPT_MAX:
            self.forget([next(iter(self._attachments.values()))])
        self._attachments[new_id] = attachment
        return attachment

    def forget(self, attachments: Iterable[Attachment]) -> None:
        """Remove files that no message shows any more; their links stop working."""
        for attachment in attachments:
            if self._attachments.pop(attachment.id, None):
                attachment.file.path.unlink(missing_ok=True)

    def url(self, attachment: Attachment) -> str:
        """Return a link that works for a day from now."""
        folder = "ephemeral-attachments" if attachment.ephemeral else "attachments"
        name = quote(attachment.filename)
        path = f"/{folder}/{attachment.channel_id}/{attachment.id}/{name}"
        issued_s = int(self._world.clock.now_s())
        times = f"ex={issued_s + LINK_LIFE_S:x}&is={issued_s:x}"
        return f"{self.base_url}{path}?{times}&hm={self._sign(attachment.id, times)}&"

    def find(self, url: str) -> Attachment | None:
        """Return the attachment that a link of this CDN points to, expired or not."""
        match = re.fullmatch(r"/(?:ephemeral-)?attachments/\d+/(\d+)/[^/]+", urlsplit(url).path)
        if match is None or not url.startswith(self.base_url):
            return None
        return self._attachments.get(int(match[1]))

    def json(self, attachment: Attachment) -> Json:
        """Describe an attachment as Discord's API does."""
        file = attachment.file
        url = self.url(attachment)
        described: Json = {
            "id": str(attachment.id),
            "filename": file.filename,
            "size": file.size_bytes,
            "content_type": file.content_type,
            "url": url,
            "proxy_url": url,
        }
        if file.width_px and file.height_px:
            described |= {"width": file.width_px, "height": file.height_px}
        if attachment.description:
            described["description"] = attachment.description
        if attachment.ephemeral:
            described["ephemeral"] = True
        if attachment.spoiler:
            described["flags"] = SPOILER
        return described

    def refresh(self, body: Json) -> Json:
        """Answer `POST /attachments/refresh-urls` with fresh links."""
        form = Form()
        urls = body.get("attachment_urls") or []
        form.length(("attachment_urls",), urls, 1, REFRESH_URLS_MAX)
        form.close()
        refreshed = []
        for index, url in enumerate(urls):
            attachment = self.find(url)
            if attachment is None:
                form.complain(("attachment_urls", index), "URL_TYPE_INVALID", "Not a CDN link.")
                continue
            refreshed.append({"original": url, "refreshed": self.url(attachment)})
        form.close()
        return {"refreshed_urls": refreshed}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Send a file if its link is signed by this CDN and has not expired."""
        attachment = self._attachments.get(int(request.match_info["attachment_id"]))
        query = parse_qs(request.query_string)
        issued, expires, signature = (query.get(key, [""])[0] for key in ("is", "ex", "hm"))
        if attachment is None or not self._is_valid(attachment.id, issued, expires, signature):
            return web.Response(status=404, text="This content is no longer available.")
        headers = {"Content-Type": attachment.file.content_type}
        return web.FileResponse(attachment.file.path, headers=headers)

    def _is_valid(self, attachment_id: int, issued: str, expires: str, signature: str) -> bool:
        expected = self._sign(attachment_id, f"ex={expires}&is={issued}")
        if not hmac.compare_digest(signature, expected):
            return False
        return int(expires, 16) > self._world.clock.now_s()

    def _sign(self, attachment_id: int, times: str) -> str:
        message = f"{attachment_id}?{times}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def stored_name(filename: str) -> str:
    """Return Discord's name for a file: only letters, digits, dots, dashes, underscores."""
    return re.sub(r"[^\w.\-]", "_", filename)


def _inspect(path: Path, filename: str, size_bytes: int) -> StoredFile:
    """Find a file's type and size in pixels; only its head is read, so no picture is decoded."""
    name = stored_name(filename)
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                width_px, height_px = image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return StoredFile(path, name, size_bytes, guessed)
    return StoredFile(path, name, size_bytes, guessed, width_px, height_px)
