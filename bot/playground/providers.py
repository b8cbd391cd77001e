"""The playground's provider server: all vendors' formats, and their files, on one loopback port."""

import asyncio
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from bot.playground import apimodels, gemini, maxapi
from bot.playground.faults import VendorCall, VendorFaults
from bot.playground.studio import UPLOAD_BYTES_MAX, Studio, Submission, UploadedFile

DEFAULT_KEY = "sk_playground"
#: How long open requests may go on when the server stops; a held request never ends by itself.
SHUTDOWN_TIMEOUT_S = 0.1
SUBMISSIONS_MAX = 10_000


class PlaygroundProviders:
    """
    An async context manager; on leaving, the port is freed and the uploads are removed.

    Queue mishaps in `faults`, and the endings of future tasks in `endings`.

    Args:
        port: 0 takes a free port.
        folder: gets the folder for the uploads; None: the system's temporary files.
        studio: further arguments of the Studio.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        api_key: str = DEFAULT_KEY,
        folder: Path | None = None,
        **studio: Any,
    ) -> None:
        self.api_key = api_key
        self.faults = VendorFaults()
        self._socket = socket.create_server(("127.0.0.1", port))
        self.root_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._folder = Path(tempfile.mkdtemp(prefix="easel-playground-", dir=folder))
        self.studio = Studio(self._folder, self.root_url, **studio)
        self.clock = self.studio.clock
        #: every create call with a valid key, oldest first
        self.submissions: deque[Submission] = deque(maxlen=SUBMISSIONS_MAX)
        #: by link, oldest first
        self.uploads: Mapping[str, UploadedFile] = self.studio.uploads
        self.endings = self.studio.endings
        self.calls = self.faults.calls
        self.maxapi_habits = maxapi.Habits()
        self.apimodels_base_url = self.root_url + apimodels.BASE_PATH
        #: for its Gemini-native calls, too
        self.maxapi_base_url = self.root_url + maxapi.BASE_PATH
        app = web.Application(client_max_size=UPLOAD_BYTES_MAX)
        app.add_routes(list(self._formats()))
        app.add_routes(
            [
                web.get(
                    r"/results/{task_id}.png", self.faults.around(VendorCall.RESULT, self._result)
                ),
                web.get(r"/uploads/{number}/{filename}", self._show_upload),
            ]
        )
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_TIMEOUT_S
        )

    def _formats(self) -> Iterable[web.RouteDef]:
        """The routes of each vendor's wire format."""
        given = (self.studio, self.submissions, self.api_key)
        for written in (
            apimodels.ApiModelsFormat(*given),
            maxapi.MaxApiFormat(*given, self.maxapi_habits),
            gemini.GeminiFormat(*given, self.maxapi_habits),
        ):
            yield from written.routes(self.faults)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that make a bot use this server: every vendor's key and address."""
        return {
            "APIMODELS_API_KEY": self.api_key,
            "APIMODELS_BASE_URL": self.apimodels_base_url,
            "MAXAPI_KEY": self.api_key,
            "MAXAPI_BASE_URL": self.maxapi_base_url,
        }

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        self._socket.close()
        await asyncio.to_thread(shutil.rmtree, self._folder)

    async def _result(self, request: web.Request) -> web.StreamResponse:
        png = await self.studio.result(request.match_info["task_id"])
        if png is None:
            raise web.HTTPNotFound
        return web.Response(body=png, content_type="image/png")

    async def _show_upload(self, request: web.Request) -> web.StreamResponse:
        upload = self.studio.uploads.get(self.root_url + request.rel_url.raw_path)
        if upload is None:
            raise web.HTTPNotFound
        return web.FileResponse(upload.path, headers={"Content-Type": upload.content_type})
