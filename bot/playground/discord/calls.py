"""Shows the bot's answers to what a member did, as they come; changes nothing."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct

from bot.playground.discord.changes import WAIT_S
from bot.playground.discord.errors import Json
from bot.playground.discord.interactions import Interaction
from bot.playground.discord.messages import Messages
from bot.playground.discord.world import Message

T = TypeVar("T")


class Modal(Struct, frozen=True):
    """A form that the bot opened to answer `interaction`."""

    interaction: Interaction
    title: str
    custom_id: str
    components: list[Json]


class Call(Struct, frozen=True):
    """One interaction and all of the bot's answers to it."""

    interaction: Interaction
    _messages: Messages

    @property
    def messages(self) -> list[Message]:
        """Return the original answer and the follow-ups as they are now, oldest first."""
        by_id = self.interaction.channel.messages_by_id
        return [by_id[found] for found in self.interaction.message_ids if found in by_id]

    @property
    def modal(self) -> Modal | None:
        """Return the modal that answered the interaction, if any."""
        modal = self.interaction.modal
        if modal is None:
            return None
        return Modal(self.interaction, modal["title"], modal["custom_id"], modal["components"])

    async def acknowledged(self, *, timeout_s: float = WAIT_S) -> int:
        """Wait for the first answer, a deferral included; return its callback type."""
        return await self._wait(lambda: self.interaction.answered_with, "first answer", timeout_s)

    async def response(self, *, timeout_s: float = WAIT_S) -> Message:
        """
        Wait for the first answer that shows something, and return its current version.

        A deferral does not count, but the edit or follow-up that ends it does. After a click, an
        update of the clicked message counts, too.
        """
        first = await self.until(lambda _: True, what="answer", timeout_s=timeout_s)
        now = self.interaction.channel.messages_by_id
        return now.get(first.id, first)

    async def until(
        self,
        predicate: Callable[[Message], bool],
        *,
        what: str = "message that was waited for",
        timeout_s: float = WAIT_S,
    ) -> Message:
        """
        Wait for a version of an answer or follow-up for which `predicate` holds.

        Earlier versions count, too, so nothing is missed between two edits; the latest is tried
        first. The "thinking" of a deferral never counts.
        """
        return await self._wait(
            lambda: next(filter(predicate, self._versions()), None), what, timeout_s
        )

    async def opened_modal(self, *, timeout_s: float = WAIT_S) -> Modal:
        """Wait for the modal that answers this call."""
        return await self._wait(lambda: self.modal, "modal", timeout_s)

    async def choices(self, *, timeout_s: float = WAIT_S) -> list[Json]:
        """Wait for the choices that answer this call."""
        return await self._wait(lambda: self.interaction.choices, "choices", timeout_s)

    async def _wait(self, look: Callable[[], T | None], what: str, timeout_s: float) -> T:
        doing = self.interaction.data.get("name") or self.interaction.data.get("custom_id")
        return await self._messages.changes.wait_for(
            look, f"{what} to {doing!r} of {self.interaction.user.name}", self._describe, timeout_s
        )

    def _versions(self) -> Iterator[Message]:
        """Go through the versions of all answers, the latest of each message first."""
        source = self.interaction.source
        for message_id in dict.fromkeys(self.interaction.message_ids):
            for version in reversed(self._messages.versions.get(message_id, ())):
                if version is source:
                    break
                if not version.is_loading:
                    yield version

    def _describe(self) -> str:
        shown = [
            f"{'thinking' if m.is_loading else m.content!r} ({len(m.attachments)} files)"
            for m in self.messages
        ]
        return f"answered with type {self.interaction.answered_with}, messages {shown or 'none'}"
