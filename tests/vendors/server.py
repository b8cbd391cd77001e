"""The playground's provider server, with the doubles of the other vendors beside its own two."""

from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from bot.playground import maxapi
from bot.playground.drawing import Picture
from bot.playground.providers import PlaygroundProviders
from tests.support.once import paint_plainly
from tests.vendors import google, kie, openai, runninghub


class AllVendors(PlaygroundProviders):
    kie: kie.KieFormat

    def __init__(self, *, paint: Callable[[Picture], bytes] = paint_plainly, **given: Any) -> None:
        super().__init__(paint=paint, **given)

    def _formats(self) -> Iterable[web.RouteDef]:
        given = (self.studio, self.submissions, self.api_key)
        yield from super()._formats()
        self.kie = kie.KieFormat(*given, clock=self.clock)
        for double in (
            self.kie,
            openai.OpenAiFormat(*given),
            runninghub.RunningHubFormat(*given),
            google.GoogleFormat(*given, maxapi.Habits()),
        ):
            yield from double.routes(self.faults)

    @property
    def kie_base_url(self) -> str:
        return self.root_url + kie.BASE_PATH

    @property
    def kie_upload_url(self) -> str:
        return self.root_url + kie.UPLOAD_BASE_PATH

    @property
    def openai_base_url(self) -> str:
        return self.root_url + openai.BASE_PATH

    @property
    def runninghub_base_url(self) -> str:
        return self.root_url + runninghub.BASE_PATH

    @property
    def google_base_url(self) -> str:
        return self.root_url + google.BASE_PATH

    @property
    def environment(self) -> dict[str, str]:
        keys = ("KIE_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY", "RUNNINGHUB_API_KEY")
        return super().environment | {
            "KIE_BASE_URL": self.kie_base_url,
            "KIE_UPLOAD_URL": self.kie_upload_url,
            "GOOGLE_BASE_URL": self.google_base_url,
            "OPENAI_BASE_URL": self.openai_base_url,
            "RUNNINGHUB_BASE_URL": self.runninghub_base_url,
            **dict.fromkeys(keys, self.api_key),
        }
