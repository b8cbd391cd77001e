"""What members keep with Easel: preferences, drafts, a basket and presets."""

from collections.abc import Sequence

from bot.domain.jobs import Job
from bot.domain.preferences import Preferences
from bot.domain.requests import ImageRequest, Reference
from bot.engine.workshop import Workshop
from bot.store import jobs, members


class Keepsakes:
    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._database = shop.database
        self._clock = shop.clock
        #: by member's id; a member without an entry has decided nothing
        self._preferences: dict[int, Preferences] = {}

    async def load_preferences(self) -> None:
        """Load all preferences at start; they are read so often that they are held in memory."""
        self._preferences = await self._database.read(members.all_preferences)

    def preferences_of(self, user_id: int) -> Preferences:
        return self._preferences.get(user_id, Preferences())

    async def prefer(self, user_id: int, preferences: Preferences) -> None:
        await self._database.write(members.prefer, user_id, preferences)
        self._preferences[user_id] = preferences

    def forget_preferences(self, user_id: int) -> None:
        """The member's preferences were erased from the database: forget them here, too."""
        self._preferences.pop(user_id, None)

    async def keep_draft(self, user_id: int, request: ImageRequest) -> str:
        """Keep for a day a request that has not become a job; returns the draft's id."""
        now = self._clock.now()
        return await self._database.write(members.keep_draft, user_id, request, now)

    async def draft(self, draft_id: str, user_id: int) -> ImageRequest | None:
        """The draft's request; None: the draft is gone, or another member's."""
        return await self._database.read(members.draft, draft_id, user_id)

    async def basket(self, user_id: int) -> list[Reference]:
        """The references that the member has gathered, oldest first."""
        return await self._database.read(members.basket, user_id, self._clock.now())

    async def makers(self, pictures: Sequence[Reference]) -> dict[str, Job]:
        """Name of a picture's file -> the job that made it, of those pictures that are a job's."""
        return await self._database.read(jobs.makers, pictures)

    async def add_to_basket(self, user_id: int, references: Sequence[Reference]) -> list[Reference]:
        """
        Returns:
            The whole basket afterwards.
        Raises:
            InvalidRequest: the references do not all fit; none is added.
        """
        now = self._clock.now()
        return await self._database.write(members.add_to_basket, user_id, references, now)

    async def take_from_basket(self, user_id: int, index: int | None) -> None:
        """
        Args:
            index: of the reference to remove, from 0; None: all of them.
        """
        await self._database.write(members.take_from_basket, user_id, index)

    async def presets(self, user_id: int) -> dict[str, ImageRequest]:
        """The member's presets by name, sorted without case."""
        return await self._database.read(members.presets, user_id)

    async def save_preset(self, user_id: int, name: str, request: ImageRequest) -> None:
        """
        Keep a request under a name; a preset of that name is replaced.

        Raises:
            Refusal: the text cannot be a name, or the member has the most presets already.
        """
        now = self._clock.now()
        await self._database.write(members.save_preset, user_id, name, request, now)

    async def remove_preset(self, user_id: int, name: str) -> bool:
        """Remove a preset; False: there was none of that name."""
        return await self._database.write(members.remove_preset, user_id, name)
