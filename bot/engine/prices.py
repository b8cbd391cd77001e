"""What a request may cost now, and on which model; buttons and forms say so beforehand."""

from dataclasses import replace

from bot.domain import policy
from bot.domain.credits import Microcredits
from bot.domain.requests import ImageRequest
from bot.engine.routing import Routing, Terms
from bot.engine.servers import Servers
from bot.engine.traffic import Traffic


class Prices:
    def __init__(self, routing: Routing, traffic: Traffic, servers: Servers) -> None:
        self._routing = routing
        self._traffic = traffic
        self._servers = servers

    def of(
        self, request: ImageRequest, *, nsfw_checker: bool, server_id: int
    ) -> tuple[ImageRequest, Microcredits] | None:
        """
        Returns:
            The request, with any model allowed where its own cannot make it, and what would be held
            for all its images. None: it cannot be made now, or not in that server.
        """
        decided = self._servers.known(server_id)
        if not policy.allows(decided, request):
            return None
        terms = Terms(nsfw_checker, self._traffic.ready(request), decided)
        for model in dict.fromkeys((request.model, "")):
            named = request if model == request.model else replace(request, model=model)
            asked, routes = self._routing.best(named, terms)
            if routes:
                dearest = max(route.quote(asked) for route in routes)
                return named, Microcredits(dearest * request.count)
        return None
