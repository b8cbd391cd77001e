"""
Makes the calls to Discord that matter, and closes the gaps that discord.py leaves in them.

discord.py 2.7's source shows what it does not handle. A reset or closed connection surfaces as a
raw aiohttp error. A 503 is not retried on channel routes. A lost answer makes its webhook adapter
send a follow-up twice, so Easel never delivers a result by one: it edits the original response.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any, TypeVar

import aiohttp
import discord
from discord import Embed, app_commands
from discord.ui import View

from bot.chat.texts import Notice, Phrase
from bot.errors import Fact

log = logging.getLogger(__name__)

Interaction = discord.Interaction[Any]
#: what a message shows, and its buttons
Page = tuple[Sequence[Embed], View]
#: opens files, anew for each try to send them
Files = Callable[[], list[discord.File]]
T = TypeVar("T")

#: tries of one call, each with discord.py's own five for most 5xx
TRIES_MAX = 3
#: seconds for one try, including discord.py's own repetitions and the waits that Discord asks for
CALL_S_MAX = 120.0
#: seconds before the second try; doubles with each
RETRY_WAIT_S = 0.5
#: key in an interaction's extras: the deferral had its effect, although its answer was lost
DEFERRED = "deferred"

NETWORK_ERRORS = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
#: codes of rate limits: a channel's slow mode, its announcements, and its writes
LIMITS_FOR_A_WHILE = frozenset({20016, 20022, 20028})


class Trouble(Enum):
    """What a refused or failed call means for its caller."""

    #: the interaction cannot be answered any more
    TOKEN_DEAD = auto()
    #: the interaction has its first answer already: perhaps ours, if only the news of it was lost
    ANSWERED = auto()
    TOO_LARGE = auto()
    #: Discord will not show this; it may show something else in the same place
    NOT_SHOWN = auto()
    #: there is no such message, or no longer
    GONE = auto()
    #: the channel is gone, or it or the message is not ours to write to
    REFUSED = auto()
    #: Discord or the network; it may work later, and the call may have had its effect
    DOWN = auto()


#: what Discord's codes mean (Discord docs, "JSON Error Codes", read 2026-08)
TROUBLES = {
    10008: Trouble.GONE,  # unknown message
    10015: Trouble.TOKEN_DEAD,  # unknown webhook
    10062: Trouble.TOKEN_DEAD,  # unknown interaction
    20009: Trouble.NOT_SHOWN,  # explicit content
    40005: Trouble.TOO_LARGE,
    40060: Trouble.ANSWERED,  # already acknowledged
    50027: Trouble.TOKEN_DEAD,  # invalid token
    200000: Trouble.NOT_SHOWN,  # blocked by AutoMod, as is the next
    200001: Trouble.NOT_SHOWN,
}


class CallFailed(Exception):
    """
    A call to Discord failed for good.

    Args:
        trouble: what the failure means.
        repeated: an earlier try failed on the way, and may have had its effect.
    """

    def __init__(self, trouble: Trouble, cause: Exception, *, repeated: bool) -> None:
        super().__init__(f"{trouble.name}: {cause}")
        self.trouble = trouble
        self.repeated = repeated


class Declined(app_commands.AppCommandError):
    """What a member asked for is not done; the client tells them why, as `tell` does."""

    def __init__(
        self,
        words: Notice | Phrase,
        *,
        beside: Embed | None = None,
        view: View | None = None,
        **facts: Fact,
    ) -> None:
        super().__init__(words)
        self.words, self.facts = words, facts
        self.beside, self.view = beside, view


async def call(operation: Callable[[], Awaitable[T]], *, tries_max: int = TRIES_MAX) -> T:
    """
    Make a call that may be repeated: an edit, a delete, or a message with a nonce.

    Args:
        operation: makes the call afresh each time, with files newly opened.
    Raises:
        CallFailed: the call was refused, or did not get through.
    """
    attempt, wait_s = 1, RETRY_WAIT_S
    while True:
        try:
            async with asyncio.timeout(CALL_S_MAX):
                return await operation()
        except discord.HTTPException as error:
            trouble = _trouble(error)
            # discord.py has made five tries already, with waits between them; not so for a 503.
            if trouble is not Trouble.DOWN or error.status != 503 or attempt == tries_max:
                raise CallFailed(trouble, error, repeated=attempt > 1) from error
        except NETWORK_ERRORS as error:
            if attempt == tries_max:
                raise CallFailed(Trouble.DOWN, error, repeated=attempt > 1) from error
        await asyncio.sleep(wait_s)
        attempt, wait_s = attempt + 1, wait_s * 2


@contextmanager
def logged(
    message: str, action: str, *, level: int = logging.WARNING, **fields: object
) -> Iterator[None]:
    """Go on after a call to Discord that failed: it is logged, not raised."""
    try:
        yield
    except CallFailed as error:
        log.log(level, "%s: %s", message, error, extra={"action": action, **fields})


async def delete(operation: Callable[[], Awaitable[object]]) -> None:
    """
    Delete a message. One that is gone is as good: an earlier try may have deleted it.

    Raises:
        CallFailed: Discord did not delete it.
    """
    try:
        await call(operation)
    except CallFailed as error:
        if error.trouble is not Trouble.GONE:
            raise


async def answer(
    interaction: Interaction,
    embeds: Sequence[Embed],
    view: View | None = None,
    files: Files = list,
    *,
    ephemeral: bool = True,
) -> int | None:
    """
    Give the interaction its first answer; if it was deferred, edit the deferral.

    Args:
        ephemeral: whether this member alone sees the answer; a deferral has settled that already.
    Returns:
        The message's id, if Discord told it.
    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    if has_answer(interaction):
        edited = await call(
            lambda: interaction.edit_original_response(
                embeds=embeds, view=view, attachments=or_missing(files() or None)
            )
        )
        return edited.id

    async def send() -> int | None:
        opened = files()
        try:
            sent = await interaction.response.send_message(
                embeds=embeds, files=opened, view=or_missing(view), ephemeral=ephemeral
            )
            return sent.message_id
        finally:
            # discord.py closes files itself, but not those of a first answer.
            for file in opened:
                file.close()

    return await call(send)


def has_answer(interaction: Interaction) -> bool:
    """Whether the bot has answered or deferred already: what comes later edits that."""
    return interaction.response.is_done() or DEFERRED in interaction.extras


async def find_answer(interaction: Interaction, mark: str) -> int | None:
    """
    Find the interaction's first answer, if this process gave it.

    A call that meets ANSWERED may have given that answer in an earlier try, whose own answer was
    lost. Or another process gave it, or another bot with the same token.

    Args:
        mark: a part of a custom id that only this process's answer has.
    Returns:
        The message's id; None: somebody else gave the answer.
    Raises:
        CallFailed: the answer could not be read.
    """
    message = await call(interaction.original_response)
    ours = any(mark in control.custom_id for control in controls(message))
    return message.id if ours else None


def controls(message: discord.Message | None) -> Iterator[Any]:
    """The buttons and selects of a message, but for links."""
    for row in message.components if message else ():
        for part in getattr(row, "children", ()):
            if getattr(part, "custom_id", None):
                yield part


async def update(
    interaction: Interaction, embeds: Sequence[Embed], view: View | None = None
) -> None:
    """
    Answer a press by changing the message that it was on.

    Args:
        view: None removes the buttons.
    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    await call(lambda: interaction.response.edit_message(embeds=list(embeds), view=view))


async def show(interaction: Interaction, embeds: Sequence[Embed], view: View) -> None:
    """
    Answer a command with a page for this member alone; after a press, put the page in the place of
    the one that it was on.

    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    if interaction.message is None:
        await answer(interaction, embeds, view)
    else:
        await update(interaction, embeds, view)


async def defer_update(interaction: Interaction) -> None:
    """
    Promise to change or delete the message that was pressed, even if only the presser sees it.

    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    await _defer(interaction)


async def defer(interaction: Interaction, *, ephemeral: bool) -> None:
    """Promise an answer; what comes later edits it. A failure shows up when the answer is given."""
    with logged("not deferred", "defer_failed"):
        await _defer(interaction, ephemeral=ephemeral, thinking=True)


async def _defer(interaction: Interaction, **how: bool) -> None:
    try:
        await call(lambda: interaction.response.defer(**how))
    except CallFailed as error:
        if error.trouble is not Trouble.ANSWERED or not error.repeated:
            raise
        # An earlier try had its effect, and only its answer was lost.
        interaction.extras[DEFERRED] = True


async def tell(
    interaction: Interaction, text: str, *, beside: Embed | None = None, view: View | None = None
) -> None:
    """Answer with a sentence for this member alone; a failure is logged, not raised."""
    with logged("answer lost", "answer_lost"):
        await answer(interaction, _told(text, beside), view)


async def tell_beside(interaction: Interaction, text: str) -> None:
    """Tell this member alone, and leave an earlier answer as it is."""
    if not has_answer(interaction):
        await tell(interaction, text)
        return
    with logged("answer lost", "answer_lost"):
        await call(lambda: interaction.followup.send(embeds=_told(text), ephemeral=True, wait=True))


async def tell_instead(
    interaction: Interaction, text: str, *, beside: Embed | None = None, view: View | None = None
) -> None:
    """
    After a public deferral, take the "thinking" away and tell this member alone.

    discord.py may send a follow-up twice if an answer is lost; here that does no harm.
    """
    with logged("answer lost", "answer_lost"):
        await delete(interaction.delete_original_response)
        await call(
            lambda: interaction.followup.send(
                embeds=_told(text, beside), ephemeral=True, wait=True, view=or_missing(view)
            )
        )


async def open_form(interaction: Interaction, form: discord.ui.Modal) -> None:
    """
    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    await call(lambda: interaction.response.send_modal(form))


async def fill(interaction: Interaction, embed: Embed, view: View, files: Files) -> None:
    """
    Fill a deferred answer, with files.

    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    await call(
        lambda: interaction.edit_original_response(embed=embed, view=view, attachments=files())
    )


async def send_beside(interaction: Interaction, files: Files) -> None:
    """
    Send further files to this member alone. discord.py may send them twice if an answer is lost.

    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    await call(lambda: interaction.followup.send(files=files(), ephemeral=True, wait=True))


def _told(text: str, beside: Embed | None = None) -> list[Embed]:
    embed = Embed(description=text)
    return [embed, beside] if beside else [embed]


def or_missing(value: T | None) -> T:
    """What discord.py takes where it tells what is left out from None, which removes it."""
    return discord.utils.MISSING if value is None else value


def _trouble(error: discord.HTTPException) -> Trouble:
    if is_down(error):
        return Trouble.DOWN
    otherwise = Trouble.TOO_LARGE if error.status == 413 else Trouble.REFUSED
    return TROUBLES.get(error.code, otherwise)


def is_down(error: discord.HTTPException) -> bool:
    """Whether the fault is Discord's: the call may have had its effect, and may work later."""
    return error.status >= 500 or error.status == 429 or error.code in LIMITS_FOR_A_WHILE
