"""Forms for writing a request: opened with a draft, and read when they are filled in."""

from collections.abc import Mapping, Sequence
from typing import Any

import discord

from bot.chat import buttons, fields
from bot.chat.fields import form, labelled
from bot.chat.pictures import picture_options, reference_to
from bot.chat.texts import Phrase, say, tell_name
from bot.chat.texts.markdown import capital
from bot.chat.wire import Interaction
from bot.domain.credits import Microcredits
from bot.domain.requests import (
    ASPECT_RATIOS,
    PROMPT_CHARS_MAX,
    REFERENCES_MAX,
    ImageRequest,
    Mode,
    Reference,
    asking,
    yielding,
)

#: files that one upload field takes (Discord docs, File Upload)
FILES_MAX = 10

Kinds = Mapping[tuple[str, str], Microcredits]


def request_form(
    draft: ImageRequest,
    draft_id: str,
    kinds: Kinds,
    locale: str,
    *,
    backgrounds: Sequence[str],
    which: bool,
) -> discord.ui.Modal:
    """
    Args:
        kinds: what an image costs at most, by resolution and quality.
        backgrounds: those that are offered; empty: the form does not ask.
        which: the member is to choose one of the draft's references.
    """
    edits = draft.mode is Mode.EDIT
    title = say(Phrase.CHANGE_IMAGE if edits else Phrase.NEW_IMAGE, locale)
    parts = []
    if which:
        parts.append(labelled(Phrase.WHICH_IMAGE, locale, _which(draft.references, locale)))
    prompt = discord.ui.TextInput[Any](
        style=discord.TextStyle.paragraph,
        custom_id="prompt",
        # Names put in the place of mentions can make a prompt longer than a form takes.
        default=draft.prompt[:PROMPT_CHARS_MAX] or None,
        max_length=PROMPT_CHARS_MAX,
    )
    parts.append(labelled(Phrase.WORDS_CHANGE if edits else Phrase.WORDS_NEW, locale, prompt))
    parts.append(labelled(Phrase.RATIO, locale, _ratios(draft, locale)))
    if kinds:
        parts.append(labelled(Phrase.SIZE_AND_QUALITY, locale, _kinds(draft, kinds, locale)))
    if backgrounds:
        choice = _backgrounds(draft, backgrounds, locale)
        parts.append(labelled(Phrase.FORM_BACKGROUND, locale, choice))
    if edits and not draft.references:
        parts.insert(0, _uploads(Phrase.IMAGE_TO_CHANGE, locale, files_min=1))
    elif not draft.references:
        parts.append(_uploads(Phrase.NEW_REFERENCES, locale))
    elif not draft.mask:
        room = REFERENCES_MAX - (1 if which else len(draft.references))
        if room > 0:
            parts.append(_uploads(Phrase.MORE_REFERENCES, locale, files_max=room))
    if draft.mask:
        mask = discord.ui.FileUpload[Any](custom_id="mask", required=False, min_values=0)
        parts.append(labelled(Phrase.OTHER_MASK, locale, mask, Phrase.OTHER_MASK_HINT))
    arguments = (draft_id, "which") if which else (draft_id,)
    return form(title, parts, buttons.FORM, *arguments)


def filled(draft: ImageRequest, interaction: Interaction, which: str) -> ImageRequest:
    """
    The draft with what the member wrote, chose and attached in the form.

    Raises:
        Outdated: the form is not as this version draws it.
    """
    given = fields.given(interaction)
    chosen = {name: each[0] for name, each in given.items() if isinstance(each, list) and each}
    references = draft.references
    if which:
        index = buttons.number(chosen.get("which", "0"))
        references = references[index : index + 1]
    if (which and not references) or not isinstance(given.get("prompt"), str):
        raise buttons.Outdated(buttons.FORM)
    kind = chosen.get("kind", f"{draft.resolution}/{draft.quality}")
    resolution, _, quality = kind.partition("/")
    masks = _attached(given.get("mask", ()), interaction, "mask")
    shown = {"aspect_ratio": chosen.get("ratio", draft.aspect_ratio), "resolution": resolution}
    # Where the form stands as it was opened, nobody has chosen anything.
    changed = {name: word for name, word in shown.items() if word != getattr(draft, name)}
    return asking(
        draft,
        **changed,
        prompt=given["prompt"],
        quality=quality,
        background=chosen.get("background", draft.background),
        references=(*references, *_attached(given.get("references", ()), interaction)),
        mask=masks[0] if masks else draft.mask,
    )


def _attached(ids: Sequence[str], interaction: Interaction, option: str = "") -> list[Reference]:
    data: Any = interaction.data
    known = data.get("resolved", {}).get("attachments", {})
    return [
        reference_to(discord.Attachment(data=known[each], state=interaction._state), option)
        for each in ids
        if each in known
    ]


def _uploads(
    name: Phrase, locale: str, *, files_min: int = 0, files_max: int = FILES_MAX
) -> fields.Field:
    upload = discord.ui.FileUpload[Any](
        custom_id="references",
        required=files_min > 0,
        min_values=files_min,
        max_values=min(files_max, FILES_MAX),
    )
    return labelled(name, locale, upload, Phrase.REFERENCES_HINT)


def _ratios(draft: ImageRequest, locale: str) -> buttons.Select:
    of_model = Phrase.RATIO_KEPT if draft.mode is Mode.EDIT else Phrase.RATIO_AUTO
    labels = {ratio: ratio for ratio in ASPECT_RATIOS} | {"auto": say(of_model, locale)}
    options = buttons.options(labels, {draft.aspect_ratio})
    return discord.ui.Select(custom_id="ratio", options=options)


def _backgrounds(draft: ImageRequest, offered: Sequence[str], locale: str) -> buttons.Select:
    labels = {word: capital(tell_name("choices", word, locale)) for word in offered}
    if "auto" in labels:
        labels["auto"] = say(Phrase.RATIO_AUTO, locale)
    options = buttons.options(labels, {draft.background})
    return discord.ui.Select(custom_id="background", options=options)


def _kinds(draft: ImageRequest, kinds: Kinds, locale: str) -> buttons.Select:
    wanted = ((each.resolution, each.quality) for each in yielding(draft))
    chosen = next((each for each in wanted if each in kinds), None)
    options = [
        discord.SelectOption(
            label=resolution
            if quality == "auto"
            else say(Phrase.KIND, locale, resolution=resolution, quality=quality),
            description=say(Phrase.UP_TO, locale, cost_ucr=amount),
            value=f"{resolution}/{quality}",
            default=(resolution, quality) == chosen,
        )
        for (resolution, quality), amount in kinds.items()
    ]
    return discord.ui.Select(custom_id="kind", options=options[: buttons.OPTIONS_MAX])


def _which(pictures: Sequence[Reference], locale: str) -> buttons.Select:
    options = picture_options({str(n): each for n, each in enumerate(pictures)}, locale)
    options[0].default = True
    return discord.ui.Select(custom_id="which", options=options)
