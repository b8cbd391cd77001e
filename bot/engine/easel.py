"""The one object through which the chat asks Easel for anything."""

import contextlib
from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from bot.domain import policy, preferences
from bot.domain.credits import Microcredits
from bot.domain.iterate import reworded
from bot.domain.jobs import Accepted, Failure, Job, Offer, Reply, Task, is_job_id
from bot.domain.ledger import Statement
from bot.domain.policy import Guests, Place, nsfw_rule
from bot.domain.queue import QueuePosition
from bot.domain.requests import BACKGROUNDS, QUALITIES, RESOLUTIONS, ImageRequest, Mode, asking
from bot.domain.settings import UNDECIDED, ServerSettings
from bot.engine.accept import draft_job, offers, what_fits
from bot.engine.keepsakes import Keepsakes
from bot.engine.quota import Quota
from bot.engine.routing import Terms
from bot.engine.servers import Servers
from bot.engine.workshop import Workshop
from bot.errors import InsufficientCredits, InvalidRequest, Reason, Refusal, StepLost, StoreBusy
from bot.store import accept, jobs, oversight, settings, tasks

#: a model's cheapest image has one of these qualities, with or without a quality setting
CHEAP_QUALITIES = ("auto", "low")


class Easel(Keepsakes):
    """
    Args:
        asks_above_ucr: the operator's limit; a button or form asks the member before it orders an
            image that costs more.
    """

    def __init__(self, shop: Workshop, guests: Guests, asks_above_ucr: Microcredits) -> None:
        super().__init__(shop)
        self.guests = guests
        self._asks_above_ucr = asks_above_ucr
        self.servers = Servers(shop)
        self.quota = Quota(shop)
        #: id of a job whose member is being given its status message -> the job as it was cancelled
        #: meanwhile; None: it was not
        self._answering: dict[str, Job | None] = {}
        #: ids of the servers that the bot was removed from while this process ran
        self.gone: set[int] = set()

    async def accept(
        self,
        request: ImageRequest,
        place: Place,
        user_id: int,
        role_ids: Collection[int],
        interaction_id: int,
        reply: Reply,
        locale: str,
        draft_id: str = "",
    ) -> Accepted:
        """
        Check the request, quote it, hold the quote and insert the job, or do none of it. Nobody
        works on the job until `hand_over` says that its member has an answer.

        Args:
            draft_id: the draft that the request comes from, which is used up; empty: none.
        Raises:
            Refusal: the request is not taken; nothing is held.
            Repeated: the interaction has a job already; nothing is held.
        """
        self.guests.check(place)
        # A member who has installed the bot for themselves uses it there without its server.
        self.gone.discard(place.server_id)
        now = self._clock.now()
        try:
            draft = draft_job(request, place, user_id, interaction_id, reply, locale, now)
        except InvalidRequest as refused:
            # The member is told what is wrong even where the draft cannot be kept.
            with contextlib.suppress(StoreBusy):
                kept = reworded(request, refused.facts)
                same_id = draft_id if kept is request else ""
                refused.draft_id = same_id or await self.keep_draft(user_id, kept)
            raise
        terms = Terms(nsfw_checker=True, ready=self._shop.traffic.ready(draft.request))

        def offers_here(decided: ServerSettings) -> Sequence[Offer]:
            nonlocal terms
            rule = nsfw_rule(decided.nsfw_checker, place)
            terms = Terms(rule.nsfw_checker, terms.ready, decided)
            policy.check_place(decided, place, now)
            return offers(draft, rule, terms, self._shop.routing)

        accepted = await self._database.write(
            accept.accept_or_keep, self._shop.house, draft, role_ids, offers_here, draft_id=draft_id
        )
        if terms.decided is not UNDECIDED:
            # Else the refusal came before the settings were read.
            self.servers.learn(place.server_id, terms.decided)
        if isinstance(accepted, InsufficientCredits):
            raise self._with_advice(accepted, draft.request, terms)
        if isinstance(accepted, Refusal):
            raise self._with_way_out(accepted)
        offer, (ahead, own) = accepted
        self._answering[offer.job.id] = None
        typical_s = self._shop.routing.typical_s(offer.tasks[0].route_id)
        position = QueuePosition.after(ahead, self._shop.house.caps, typical_s, own)
        return Accepted(offer.job, offer.tasks, position, terms.decided.private_seen)

    def preferred(self, mode: Mode, server_id: int, user_id: int) -> ImageRequest:
        """A request without words, by the member's preferences as far as the server allows them."""
        liked = preferences.preferred(self.preferences_of(user_id), mode)
        return policy.fitted(self.servers.known(server_id), liked)

    async def check_draft(self, draft: ImageRequest, place: Place, user_id: int) -> ImageRequest:
        """
        Check what no form and no answer changes, so that nobody is asked in vain.

        Returns:
            The draft as the server allows it.
        Raises:
            NotAllowed: as `check_place`; or the server does not allow the draft, whatever its
                member fills in.
        """
        decided = await self.check_place(place, user_id)
        try:
            policy.check_draft(decided, draft)
        except Refusal as refused:
            raise self._with_way_out(refused) from None
        return policy.fitted(decided, draft)

    async def check_place(self, place: Place, user_id: int) -> ServerSettings:
        """
        Returns:
            The server's settings.
        Raises:
            NotAllowed: the host does not serve this place, the member is blocked here, or nothing
                is made here, or not now.
        """
        self.guests.check(place)
        now = self._clock.now()
        await self._database.read(oversight.check_block, place.server_id, user_id, now)
        decided = await self.servers.settings(place.server_id)
        policy.check_place(decided, place, now)
        return decided

    def _with_way_out(self, refused: Refusal) -> Refusal:
        """The refusal, with when or where it may be asked for again, as far as that is known."""
        reopens_at = self._shop.traffic.reopens_at()
        if refused.reason is Reason.ROUTES_DOWN and reopens_at is not None:
            refused.facts["again_at"] = int(reopens_at.timestamp())
        if refused.reason is Reason.PRIVATE_NOT_ALLOWED and self.guests.direct_messages:
            refused.facts["direct"] = True
        return refused

    def _with_advice(
        self, refused: InsufficientCredits, request: ImageRequest, terms: Terms
    ) -> InsufficientCredits:
        """The refusal, with cheaper kinds of the image and with what the image usually costs."""
        available = refused.left_ucr
        if terms.decided.job_max_ucr is not None:
            available = min(available, terms.decided.job_max_ucr)
        refused.facts["fits"] = what_fits(request, terms, self._shop.routing, available)
        asked, routes = self._shop.routing.best(request, terms)
        usual = self._shop.routing.usual_cost(asked, routes[0]) if routes else None
        if usual is not None and usual < int(str(refused.facts["needed_ucr"])):
            refused.facts["usual_ucr"] = usual
        return refused

    def price_of(
        self, request: ImageRequest, *, nsfw_checker: bool, server_id: int
    ) -> tuple[ImageRequest, Microcredits] | None:
        """
        What a request may cost now; buttons and forms say so beforehand.

        Returns:
            The request, with any model allowed where its own cannot make it, and what would be held
            for all its images. None: it cannot be made now, or not in that server.
        """
        decided = self.servers.known(server_id)
        if not policy.allows(decided, request):
            return None
        terms = Terms(nsfw_checker, self._shop.traffic.ready(request), decided)
        for model in dict.fromkeys((request.model, "")):
            named = request if model == request.model else replace(request, model=model)
            asked, routes = self._shop.routing.best(named, terms)
            if routes:
                dearest = max(route.quote(asked) for route in routes)
                return named, Microcredits(dearest * request.count)
        return None

    async def priced(
        self, request: ImageRequest, place: Place
    ) -> tuple[ImageRequest, Microcredits, Microcredits] | None:
        """
        Returns:
            As `price_of`, and the amount above which a member is asked first here.
        """
        decided = await self.servers.settings(place.server_id)
        priced = self.price_here(request, place)
        asks_above = policy.asks_above(decided, self._asks_above_ucr)
        return None if priced is None else (*priced, asks_above)

    def price_here(
        self, request: ImageRequest, place: Place
    ) -> tuple[ImageRequest, Microcredits] | None:
        """As `price_of`, by the settings in memory."""
        rule = nsfw_rule(self.servers.known(place.server_id).nsfw_checker, place)
        return self.price_of(request, nsfw_checker=rule.nsfw_checker, server_id=place.server_id)

    def kinds(self, request: ImageRequest, place: Place) -> dict[tuple[str, str], Microcredits]:
        """What one image of the request costs here now at most, by resolution and quality."""
        found = {}
        for resolution in RESOLUTIONS:
            for quality in QUALITIES:
                kind = asking(request, resolution=resolution, quality=quality, count=1)
                if priced := self.price_here(kind, place):
                    found[resolution, quality] = priced[1]
        return found

    def backgrounds(self, request: ImageRequest, place: Place) -> list[str]:
        """The backgrounds that the request could have here now, and the one that it has."""
        return [
            word
            for word in BACKGROUNDS
            if word == request.background
            or self.price_here(replace(request, background=word), place)
        ]

    async def by_quality(self, request: ImageRequest, place: Place) -> dict[str, Microcredits]:
        """What would be held for one image of the request, by each quality that it may have."""
        decided = await self.servers.settings(place.server_id)
        if request.resolution not in policy.resolutions_here(decided):
            return {}
        terms, found = self._terms(decided, place, request), {}
        for quality in QUALITIES:
            asked, routes = self._shop.routing.best(replace(request, quality=quality), terms)
            if routes:
                found[quality] = max(each.quote(asked) for each in routes)
        return found

    def cancelled_meanwhile(self, job_id: str) -> Job | None:
        """
        To be called once, when the answer to the job's member was given or has failed: the job, if
        this process cancelled it after its acceptance.
        """
        return self._answering.pop(job_id, None)

    def hand_over(self, job_id: str, message_id: int | None) -> None:
        """
        The member has the status message: any process may work on the job, once that is written.

        Args:
            message_id: of the status message; None: it is not known.
        """
        self._shop.answered[job_id] = message_id
        self._shop.due.set()

    async def cancel(self, job_id: str, failure: Failure = Failure.CANCELLED) -> Job:
        """
        Cancel a job of which nothing was submitted, and release its hold.

        Raises:
            StepLost: something was submitted, or the job has ended.
        """
        now = self._clock.now()
        job = await self._database.keep(jobs.cancel, self._shop.house, job_id, now, failure)
        self._shop.traffic.let_go(job_id)
        if job_id in self._answering:
            self._answering[job_id] = job
        return job

    async def leave(self, server_id: int) -> list[Job]:
        """
        The bot was removed from the server: cancel its waiting jobs and release their holds. Images
        that are being made are neither posted nor charged, if this process sees their end and the
        bot has not come back by then. Settings and ledger stay, in case it does.

        Returns:
            The jobs that were cancelled.
        """
        self.gone.add(server_id)
        cancelled = []
        for job_id in await self._database.read(jobs.under_way_in, server_id):
            with contextlib.suppress(StepLost):
                cancelled.append(await self.cancel(job_id, Failure.REMOVED))
        return cancelled

    async def find(self, job_id: str) -> Job | None:
        """The job, for an id that came from outside; None: there is none."""
        if not is_job_id(job_id):
            return None
        return await self._database.read(jobs.find, job_id)

    async def tasks(self, job_id: str) -> list[Task]:
        """In the order of their images."""
        return await self._database.read(tasks.of_job, job_id)

    async def tasks_of(self, found: Sequence[Job]) -> dict[str, list[Task]]:
        """Job id -> the job's tasks, in the order of their images."""
        return await self._database.read(tasks.of_jobs, [job.id for job in found])

    async def history(
        self,
        server_id: int,
        user_id: int,
        *,
        before: str = "",
        kind: str = "",
        limit: int = jobs.HISTORY_SHOWN_MAX,
    ) -> list[Job]:
        """
        A member's jobs, newest first.

        Args:
            before: a job's id: only older ones; empty: from the latest on.
            kind: "generate", "edit", "pictures", "failed" or "open"; empty: all.
        """
        return await self._database.read(
            jobs.history, server_id, user_id, before=before, kind=kind, limit=limit
        )

    async def children(self, job_id: str) -> list[str]:
        """The ids of the jobs that go on from this job's result, oldest first."""
        return await self._database.read(jobs.children, job_id)

    async def stop_watching(self, job_id: str) -> Job | None:
        """
        The member stops waiting for the job: its images are kept, and nothing is posted.

        Returns:
            The job; None: it has ended or is being delivered, its member is being erased, or there
            is no such job.
        """
        return await self._database.keep(jobs.stop_watching, job_id)

    async def forget_message(self, job_id: str, message_id: int) -> None:
        """The message that showed the job's result was deleted; nothing links to it from now on."""
        await self._database.keep(jobs.forget_message, job_id, message_id)

    async def statement(
        self, place: Place, user_id: int, role_ids: Collection[int]
    ) -> tuple[Statement, int | None]:
        """
        Returns:
            The account as a command given now would find it; and what one image costs at most if
            the command names only a prompt, or None if it cannot be made here now.
        """
        told = await self.quota.statement(place.server_id, user_id, role_ids)
        decided = await self.servers.settings(place.server_id)
        plain = self.preferred(Mode.GENERATE, place.server_id, user_id)
        asked, routes = self._shop.routing.best(plain, self._terms(decided, place))
        most = decided.job_max_ucr
        quotes = (route.quote(asked) for route in routes)
        return told, next((each for each in quotes if most is None or each <= most), None)

    def prices(
        self, place: Place, model: str, qualities: Sequence[str] = ("auto",)
    ) -> dict[tuple[str, str], int]:
        """
        What one image costs at most, on the route that would make it here and now; by the settings
        in memory, because it is asked of each model, and at each letter that a member types.

        Args:
            model: its id.
        Returns:
            Micro-credits by resolution and quality; what cannot be made is left out.
        """
        decided = self.servers.known(place.server_id)
        plain = ImageRequest(Mode.GENERATE, "", model)
        terms, resolutions = self._terms(decided, place), policy.resolutions_here(decided)
        kinds = self._shop.routing.kinds(plain, terms, resolutions, qualities)
        return {(kind.resolution, kind.quality): its[0].quote(kind) for kind, its in kinds}

    def _terms(
        self, decided: ServerSettings, place: Place, request: ImageRequest | None = None
    ) -> Terms:
        rule = nsfw_rule(decided.nsfw_checker, place)
        return Terms(rule.nsfw_checker, self._shop.traffic.ready(request), decided)

    def cheapest(self, place: Place, models: Iterable[str]) -> dict[str, int]:
        """What the cheapest image of each model costs, in micro-credits; see `prices`."""
        found = {each: self.prices(place, each, CHEAP_QUALITIES) for each in models}
        return {model: min(prices.values()) for model, prices in found.items() if prices}

    async def synced_servers(self, application: str) -> set[int]:
        """Servers that were given their own commands, to be taken back when no longer needed."""
        return await self._database.read(settings.synced_servers, application)

    async def remember_synced(self, application: str, server_ids: Collection[int]) -> None:
        await self._database.keep(settings.remember_servers, application, server_ids)
