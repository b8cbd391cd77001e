"""Whatever a member writes, Discord takes every payload, and nothing of it acts in any."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import catalog
from bot.playground.discord import ApiRequest, Call, Message, Upload
from bot.playground.discord.validation import (
    BUTTON,
    LABEL,
    STRING_SELECT,
    TEXT_INPUT,
    walk,
)
from bot.playground.faults import Hold, VendorCall
from bot.playground.studio import Fails
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise, picture

PICTURE = noise()
SERVER = "Lantern Community"
CHARS = 4_000


def filled(pattern: str) -> str:
    return (pattern * CHARS)[:CHARS]


BEN = "<@BEN>"
PROMPTS = {
    "japanese": filled("静かな運河に浮かぶ紙の灯籠、"),
    "emoji": filled("👩🏽‍🎨🏳️‍🌈🇯🇵👨‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿"),
    "right to left": filled("فانوس ورقي ‏(فوق) قناة — פנס נייר "),
    "combining": filled("Z\u0351\u0358\u0321\u0489\u0336\u0334a\u0310\u0335\u0353"),
    "fences": filled("```py\nprint()\n``` `` ` ````"),
    "backticks": "`" * CHARS,
    "lines": "\n".join(f"{number}. a lantern" for number in range(300))[:CHARS],
    "markdown": filled(
        "# a\n> b\n>>> c\n- d\n-# e\n**__~~||`f`||~~__** [g](https://example.org) \\"
    ),
    "mentions": filled(
        f"@everyone @here {BEN} <@!BEN> <@&ROLE> <#ROOM> <:a:1> </imagine:1> <t:1:R> "
    ),
    "links": filled(
        "https://example.org/?q=1 http://[::1] discord.gg/x <https://example.org> [a](b:c) "
    ),
}
LOCALES = ("ja", "de", "en-US")
#: those that differ most: of many bytes, full of what acts, and of many line ends
TELLING = ("emoji", "mentions", "lines")

#: what a text of each kind has at most (Discord docs: Embed Limits, Component Reference)
EMBED_CHARS_MAX = 6_000
EMBED_MAX = {"title": 256, "description": 4_096}
ALT_TEXT_MAX = 1_024
#: what an older report says that Discord fails beyond, in UTF-8 (discord-api-docs #8554), of what
#: everyone is shown
PUBLIC_BYTES_MAX = 10_170


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    given = {"allowance": "0.60", "confirm_above": "0.20", "paint": lambda _: PICTURE}
    async with opened(**given) as easel:
        yield easel


async def press(easel: Easel, message: Message, action: str, member: str = "Ada") -> Call:
    """By what it does, for its words are in the member's language."""
    ids = [part.get("custom_id", "") for part in walk(message.components)]
    [found] = [each for each in ids if each.partition(":")[0] == action]
    return await easel.discord.press(member, message, custom_id=found)


async def finished(easel: Easel, call: Call) -> Message:
    """The message once it is no status, whose button ends the wait for it."""
    message = await call.until(lambda message: not actions(message) & {"cancel", "stop"})
    await easel.idle()
    return message


def actions(message: Message) -> set[str]:
    ids = [part.get("custom_id", "") for part in walk(message.components)]
    return {each.partition(":")[0] for each in ids}


async def submit(easel: Easel, call: Call, member: str = "Ada", **values: Any) -> Call:
    return await easel.discord.submit_modal(member, await call.opened_modal(), values)


async def run(easel: Easel, command: str, **options: Any) -> Message:
    call = await easel.discord.run_command("Ada", "studio", command, options, check=False)
    return await call.response()


async def written(easel: Easel, prompt: str, **options: Any) -> Call:
    """By the form, which takes line ends, and mentions as they are typed."""
    call = await easel.discord.run_command("Ada", "studio", "imagine", options)
    return await submit(easel, call, prompt=prompt)


def spelt(easel: Easel, prompt: str) -> str:
    world = easel.discord.world
    role = next(iter(world.guild(SERVER).roles))
    names = {"BEN": world.user("Ben").id, "ROLE": role, "ROOM": world.channel("after-dark").id}
    for name, number in names.items():
        prompt = prompt.replace(name, str(number))
    return prompt[:CHARS]


def speak(easel: Easel, locale: str) -> None:
    for member in ("Ada", "Ben"):
        easel.discord.set_locale(member, locale)
    easel.discord.world.locales[easel.discord.world.guild(SERVER).id] = locale


async def results(easel: Easel, prompt: str) -> None:
    """A status, results of four images and of one, all that can be pressed beneath them."""
    images = {"image": Upload("a.png", picture()), "reference2": Upload("b.png", picture())}
    order = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.CREATE, order)
    status = await written(easel, prompt)
    await order.reached.wait()
    await status.until(lambda message: "░" in str(message.embeds))
    order.until.set()
    await finished(easel, status)
    asked = await (await written(easel, prompt, count=4)).response()
    first = await finished(easel, await press(easel, asked, "go"))
    assert len(first.attachments) == 4
    await (await press(easel, first, "details")).response()
    await (await press(easel, first, "vary")).response()
    asked = await (await press(easel, first, "again", member="Ben")).response()
    again = await finished(easel, await press(easel, asked, "go", member="Ben"))
    await (await press(easel, again, "details")).response()
    form = await press(easel, first, "edit")
    edited = await finished(easel, await submit(easel, form, prompt=prompt, which=["3"]))
    assert edited.attachments
    opened = await easel.discord.run_command("Ada", "studio", "edit", images)
    private = await finished(easel, await submit(easel, opened, prompt=prompt))
    await (await press(easel, private, "details")).response()
    draft = await finished(easel, await written(easel, prompt, private=True))
    await (await press(easel, draft, "publish")).until(lambda shown: bool(shown.attachments))


async def failures(easel: Easel, prompt: str) -> None:
    """A failure's card and its form; a refusal with the words given back, and its form."""
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    failed = await finished(easel, await written(easel, prompt))
    await (await press(easel, failed, "words")).opened_modal()
    await (await written(easel, prompt, model="no such")).response()
    # More than is left.
    asked = await (await written(easel, prompt, count=4)).response()
    refused = await (await press(easel, asked, "go")).response()
    await (await press(easel, refused, "reword")).opened_modal()


async def lists(easel: Easel, prompt: str) -> None:
    for command in ("history", "jobs", "help", "models", "credits", "preferences", "basket"):
        await run(easel, command)
    jobs = await easel.discord.autocomplete("Ada", "studio", "job", "id", "")
    assert len(jobs) <= 25
    for number in range(50):
        name = f"{number}{prompt}"[:50].strip()
        await easel.app.client.easel.save_preset(
            easel.discord.world.user("Ada").id, name, await some_request(easel)
        )
    name = prompt.replace("\n", " ").strip()[:50]
    await run(easel, "presets save", name=name)
    await run(easel, "presets list")
    await run(easel, "presets remove", name=prompt)
    await run(easel, "presets use", name=prompt)
    await run(easel, "imagine", model=f"★ {prompt}", prompt="a lantern")
    await easel.discord.autocomplete("Ada", "studio", "imagine", "model", "★")
    await easel.discord.autocomplete("Ada", "studio", "presets use", "name", "")


async def some_request(easel: Easel) -> Any:
    [job] = await easel.app.client.easel.history(
        easel.discord.world.guild(SERVER).id, easel.discord.world.user("Ada").id, limit=1
    )
    return job.request


async def menus(easel: Easel, prompt: str) -> None:
    """A basket of pictures whose names are as long as names get."""
    name = re.sub(r"[\s/\\]", "_", prompt)[:200] + ".png"
    for _ in range(3):
        posted = await easel.discord.post(
            "Ada", "studio", "", [Upload(name, picture()) for _ in range(5)]
        )
        added = await easel.discord.run_message_command("Ada", "studio", "Use as reference", posted)
        await added.response()
    await run(easel, "basket")
    await (
        await easel.discord.run_message_command("Ada", "studio", "Edit image", posted)
    ).opened_modal()
    damaged = await easel.discord.post(
        "Ada", "studio", "", [Upload(name, b"no picture", "image/png")]
    )
    form = await easel.discord.run_message_command("Ada", "studio", "Edit image", damaged)
    await finished(easel, await submit(easel, form, prompt="a lantern"))


def messages_of(request: ApiRequest) -> Iterator[dict[str, Any]]:
    body = request.body if isinstance(request.body, dict) else {}
    data = body.get("data", body) or {}
    if isinstance(data, dict) and request.method in ("POST", "PATCH"):
        yield data


def breaches(request: ApiRequest) -> Iterator[str]:
    """What of a payload is longer than Discord takes."""
    for data in messages_of(request):
        embeds = data.get("embeds") or []
        texts = [text for embed in embeds for text in texts_of(embed)]
        if sum(map(len, texts)) > EMBED_CHARS_MAX:
            yield "all embeds"
        for embed in embeds:
            for key, most in EMBED_MAX.items():
                if len(embed.get(key) or "") > most:
                    yield key
            if len((embed.get("footer") or {}).get("text") or "") > 2_048:
                yield "footer"
            for field in embed.get("fields") or ():
                if len(field["name"]) > 256 or not 0 < len(field["value"]) <= 1_024:
                    yield "field"
        if len(data.get("content") or "") > 2_000:
            yield "content"
        if any(
            len(each.get("description") or "") > ALT_TEXT_MAX
            for each in data.get("attachments") or ()
        ):
            yield "alternative text"
        public = not int(data.get("flags") or 0) & 64 and request.method == "POST"
        if public and sum(len(text.encode()) for text in texts) > PUBLIC_BYTES_MAX:
            yield "bytes of what everyone sees"
        if "title" in data and len(data["title"]) > 45:
            yield "title of a form"
        choices = data.get("choices") or ()
        if len(choices) > 25 or any(not 0 < len(each["name"]) <= 100 for each in choices):
            yield "choices"
        for part in walk(data.get("components") or ()):
            yield from breaches_of_part(part)


def breaches_of_part(part: dict[str, Any]) -> Iterator[str]:
    if len(part.get("custom_id") or "") > 100:
        yield "custom id"
    if part["type"] == BUTTON and not 0 < len(part.get("label") or "") <= 80:
        yield "label of a button"
    if part["type"] == LABEL and len(part["label"]) > 45:
        yield "label of a form"
    if part["type"] == LABEL and len(part.get("description") or "") > 100:
        yield "hint of a form"
    if part["type"] == TEXT_INPUT and len(part.get("value") or "") > part.get("max_length", CHARS):
        yield "text input"
    if part["type"] == STRING_SELECT:
        if len(part["options"]) > 25:
            yield "options"
        for option in part["options"]:
            for key in ("label", "value", "description"):
                if len(option.get(key) or "") > 100 or (
                    key != "description" and not option[key].strip()
                ):
                    yield f"{key} of an option"


def texts_of(embed: dict[str, Any]) -> Iterator[str]:
    yield embed.get("title") or ""
    yield embed.get("description") or ""
    yield (embed.get("footer") or {}).get("text") or ""
    yield (embed.get("author") or {}).get("name") or ""
    for field in embed.get("fields") or ():
        yield field["name"]
        yield field["value"]


#: in this order, what does not act: a block of code, what is escaped, and what is ours
BLOCK = re.compile(r"^```\n(?:(?!```).)*\n```$", re.DOTALL)
ESCAPED = re.compile(r"\\[^\w\s]")
CODE = re.compile(r"`[^`\n]*`")
OURS = re.compile(
    r"\]\(https://discord\.com/channels/[\d@me/]+\)|https://discord\.com/channels/[\d/]+|<t:\d+:\w>"
)
ACTS = re.compile(r"<[@#:/ati]|@everyone|@here|://|\]\(|```|^(?:#{1,3}|>>>) |\|\|", re.MULTILINE)


def acting(text: str, ada: int) -> list[str]:
    for known in (BLOCK, ESCAPED, CODE, OURS):
        text = known.sub("", text)
    return ACTS.findall(text.replace(f"<@{ada}>", ""))


def assert_taken(easel: Easel) -> None:
    refused = [each for each in easel.discord.requests if each.status and each.status >= 400]
    assert [(each.template, each.answer) for each in refused] == []
    world = easel.discord.world
    ada, ben = world.user("Ada").id, world.user("Ben").id
    for request in easel.discord.requests:
        if "commands" in request.template:
            continue
        assert list(breaches(request)) == [], request.template
        for data in messages_of(request):
            for text in itertools.chain(*map(texts_of, data.get("embeds") or ())):
                # Ben asked for one of them.
                assert (
                    acting(text.replace(f"-# <@{ben}>", "").removeprefix(f"<@{ben}>"), ada) == []
                ), text
            assert acting(data.get("content") or "", ada) == []


def cases() -> Iterator[Any]:
    """A few prompts in one language at once, and all in each where there is time."""
    for (number, name), locale in itertools.product(enumerate(PROMPTS), LOCALES):
        first = name in TELLING and LOCALES[number % len(LOCALES)] == locale
        yield pytest.param(name, locale, marks=() if first else pytest.mark.slow)


@pytest.mark.parametrize(("name", "locale"), list(cases()))
async def test_discord_takes_all_that_comes_of_it(easel: Easel, name: str, locale: str) -> None:
    prompt = spelt(easel, PROMPTS[name])
    speak(easel, locale)
    await results(easel, prompt)
    await failures(easel, prompt)
    await lists(easel, prompt)
    await menus(easel, prompt)
    await easel.idle()
    assert_taken(easel)


async def test_what_is_too_long_once_it_is_composed_is_given_back(easel: Easel) -> None:
    """As of some letters of Hindi: each counts as two in the form that is sent to a vendor."""
    prompt = "\u0958" * CHARS
    refused = await finished(easel, await written(easel, prompt))
    assert "8,000 characters" in said(refused)
    assert prompt in said(refused)
    assert await easel.entries() == []
    assert_taken(easel)


async def test_a_host_may_write_at_length_what_models_are_good_for(
    opened: OpenEasel, tmp_path: Path
) -> None:
    shipped = Path(catalog.__file__).with_name("catalog.toml").read_text(encoding="utf-8")
    words = filled("good for long words, ")[:1_500]
    own = tmp_path / "catalog.toml"
    own.write_text(re.sub(r'^summary = ".*"$', f'summary = "{words}"', shipped, flags=re.MULTILINE))
    async with opened(catalog_file=own) as easel:
        shown = await run(easel, "models")
        assert "good for long words" in said(shown)
        [model, *_] = [part for part in walk(shown.components) if part["type"] == STRING_SELECT]
        call = await easel.discord.select("Ada", shown, [model["options"][0]["value"]])
        assert words.strip() in said(await call.response())
        assert_taken(easel)
