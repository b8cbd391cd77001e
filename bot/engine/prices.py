"""What a request may cost now, and by which model: for buttons and forms that say so beforehand."""

from dataclasses import replace

from bot.domain.credits import Microcredits
from bot.domain.requests import ImageRequest
from bot.engine.routing import Routing
from bot.engine.traffic import Traffic


class Prices:
    def __init__(self, routing: Routing, traffic: Traffic) -> None:
        self._routing = routing
        self._traffic = traffic

    def of(
        self, request: ImageRequest, *, nsfw_checker: bool
    ) -> tuple[ImageRequest, Microcredits] | None:
        """
        Returns:
            The request, by whichever model can do it where its own cannot, and what would be held
            for all its images; None: it cannot be made now.
        """
        ready = self._traffic.ready(request)
        for model in dict.fromkeys((request.model, "")):
            named = replace(request, model=model)
            asked, routes = self._routing.best(named, nsfw_checker=nsfw_checker, ready=ready)
            if routes:
                dearest = max(route.quote(asked) for route in routes)
                return named, Microcredits(dearest * request.count)
        return None
