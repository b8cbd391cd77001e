"""
What every vendor's adapter must do, whatever its wire format: each route times each case.

`python -m tests.providers.conformance` prints the table. A cell is "pass", "not offered" where the
vendor has no such thing, or what was raised instead. Another route is another row of ROWS, in
stage.py.
"""

import asyncio
import io
import logging
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace
from PIL import Image

from bot.domain.catalog import NsfwSwitch
from bot.domain.ports import Failed, Finished, Order, Running
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderError,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.playground.faults import Hold, Reset, Respond, VendorCall
from bot.playground.studio import Completes, Fails, Sticks
from bot.providers.http import TimeLimits
from bot.providers.registry import VENDORS
from tests.providers.stage import ROWS, Row, Stage, open_stage, unused_port

PASS, NOT_OFFERED = "pass", "not offered"
#: Seconds that a vendor says it wants to be left alone.
RETRY_AFTER_S = 30
#: Seconds; a cell that takes longer hangs.
CELL_S = 15
#: Long enough for loopback, short enough to wait for its end.
KEY_OF = {vendor.name: vendor.key for vendor in VENDORS}
ROOT_OF = {vendor.name: vendor.root for vendor in VENDORS}
SHORT = TimeLimits(connect_s=0.3, answer_s=0.1, sync_s=0.1)
IMAGES = 4
#: More than any vendor takes.
TOO_MANY_REFERENCES = 17
#: What stands where a vendor's answer should.
PAGE = Respond(body=b"<html>hello", content_type="text/html")
#: An image, but the answer around it never ends.
UNENDED = Respond(body=b'{"data": [{"b64_json": "iVBORw0KGgo="}')
UNREADABLE = (PAGE, replace(PAGE, status=502), Respond(body=b"[]"), UNENDED)

#: Refusals as the model's maker and gateways word them.
RELAYED = (
    "Your request was rejected by the safety system. safety_violations=[sexual].",
    "This request has been blocked by our content filters.",
    "The prompt was flagged",
    "content_policy_violation",
    "finish reason: IMAGE_SAFETY",
    '{"error": {"code": "moderation_blocked", "type": "image_generation_user_error"}}',
    "MODERATION BLOCKED",
    "提示词包含敏感内容",
)
OTHERWISE = (
    "This model has a rate limit policy of 5 images a minute",
    "insufficient balance, see our billing policies",
    "illegal argument: size",
    "the server had an error while processing your request",
)

E = TypeVar("E", bound=ProviderError)


async def _generate(stage: Stage) -> str:
    order = stage.order()
    png = await stage.finish(stage.provider(), order)
    with Image.open(io.BytesIO(png)) as image:
        assert abs(image.width / image.height - 16 / 9) < 0.05, image.size
    picture, references, mask = stage.painted[0]
    assert (picture.prompt, references, mask) == (order.prompt, [], None)
    return PASS


async def _edit(stage: Stage) -> str:
    sent = await stage.edit(1)
    assert stage.painted[0][1] == sent
    return PASS


async def _most_references(stage: Stage) -> str:
    if not stage.route.references_max:
        return NOT_OFFERED
    sent = await stage.edit(stage.route.references_max)
    assert stage.painted[0][1] == sent
    uploads = stage.server.uploads.values()
    assert [each.content_type for each in uploads] == ["image/png"] * len(sent)
    return PASS if len(sent) == 16 else f"{PASS} ({len(sent)})"


async def _mask(stage: Stage) -> str:
    if not stage.route.mask:
        return NOT_OFFERED
    mask = stage.image("mask", (0, 0, 0, 0))
    await stage.edit(1, mask=mask)
    assert stage.painted[0][2] == mask.path.read_bytes()
    return PASS


async def _several_images(stage: Stage) -> str:
    """Each is an order of its own, as the engine asks for them."""
    provider = stage.provider()
    pictures = {await stage.finish(provider, stage.order()) for _ in range(IMAGES)}
    assert len(pictures) == IMAGES
    return PASS


async def _moderation(stage: Stage) -> str:
    stage.server.endings.append(Fails("CONTENT_MODERATION", "refused by content moderation"))
    assert await _is_moderated(stage, stage.order())
    return PASS


async def _relayed_refusal(stage: Stage) -> str:
    """The words of the model's maker, whoever passes them on, and wherever they come."""
    provider = stage.provider()
    for words in RELAYED:
        for status in (200, 400, 500):
            stage.server.faults.add(VendorCall.CREATE, stage.row.complaint(status, words))
            assert await _is_moderated(stage, stage.order()), (status, words)
        if provider.upload is not None:
            stage.server.faults.add(VendorCall.UPLOAD, stage.row.complaint(400, words))
            image = stage.image("reference", (9, 60, 80, 255))
            error = await _raised(ProviderRefused, provider.upload(image))
            assert error.moderation, words
        if not stage.row.answers_at_the_end:
            stage.server.endings.append(Fails("moderation_blocked", words))
            assert await _is_moderated(stage, stage.order()), words
            task = await stage.task()
            stage.server.faults.add(VendorCall.POLL, stage.row.complaint(400, words))
            assert await _is_moderated(stage, stage.order(), task), words
    return PASS


async def _no_refusal(stage: Stage) -> str:
    """A complaint about something else is not taken for one, whatever words it has."""
    provider = stage.provider()
    for words in OTHERWISE:
        for status in (400, 500):
            stage.server.faults.add(VendorCall.CREATE, stage.row.complaint(status, words))
            error = await _raised(ProviderError, provider.submit(stage.order()))
            assert not getattr(error, "moderation", False), words
    return PASS


async def _rate_limit(stage: Stage) -> str:
    too_many = replace(
        stage.row.complaint(429, "Rate limit exceeded"),
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
    provider = stage.provider()
    stage.server.faults.add(VendorCall.CREATE, too_many)
    errors = [await _raised(ProviderBusy, provider.submit(stage.order()))]
    assert not stage.server.submissions
    if not stage.row.answers_at_the_end:
        stage.server.faults.add(VendorCall.POLL, too_many)
        poll = provider.poll(await stage.task(), stage.result_path)
        errors.append(await _raised(ProviderBusy, poll))
    assert {(each.rate_limited, each.retry_after_s) for each in errors} == {(True, RETRY_AFTER_S)}
    return PASS


async def _out_of_money(stage: Stage) -> str:
    stage.server.studio.balance_usd = Decimal(0)
    provider = stage.provider()
    error = await _raised(ProviderMisconfigured, provider.submit(stage.order()))
    assert error.status == stage.row.no_money_status
    if stage.row.tells_the_balance:
        await _raised(ProviderMisconfigured, provider.check(()))
    else:
        assert await provider.check(())
    return PASS


async def _bad_key(stage: Stage) -> str:
    provider, stranger = (
        stage.provider(),
        stage.provider(**{KEY_OF[stage.route.provider]: "sk_another_one"}),
    )
    refused = [stranger.submit(stage.order()), stranger.check(())]
    errors = [await _raised(ProviderMisconfigured, call) for call in refused]
    assert await provider.check(())
    assert not stage.server.submissions
    if provider.upload is not None:
        image = stage.image("reference", (9, 60, 80, 255))
        errors.append(await _raised(ProviderMisconfigured, stranger.upload(image)))
    if not stage.row.answers_at_the_end:
        poll = stranger.poll(await stage.task(), stage.result_path)
        errors.append(await _raised(ProviderMisconfigured, poll))
    assert {error.status for error in errors} == {stage.row.bad_key_status}
    return PASS


async def _timeout(stage: Stage) -> str:
    """Accepted, but we hear nothing of it: never to be sent again."""
    stage.server.faults.add(VendorCall.CREATE, Hold(asyncio.Event(), after_effect=True))
    await _raised(ProviderOutcomeUnknown, stage.provider(limits=SHORT).submit(stage.order()))
    assert len(stage.server.submissions) == stage.server.calls[VendorCall.CREATE] == 1
    assert not stage.written
    return PASS


async def _garbage(stage: Stage) -> str:
    provider = stage.provider()
    for answer in (*UNREADABLE, Respond(body={"hello": 1}), Respond()):
        stage.server.faults.add(VendorCall.CREATE, answer)
        try:
            unexpected = await provider.submit(stage.order())
        except (ProviderOutcomeUnknown, ProviderContractBroken):
            continue
        raise AssertionError(f"took {answer} for {unexpected}")
    if not stage.row.answers_at_the_end:
        task = await stage.task()
        for answer in UNREADABLE:
            stage.server.faults.add(VendorCall.POLL, answer)
            await _raised(ProviderUnreachable, provider.poll(task, stage.result_path))
        assert isinstance(await provider.poll(task, stage.result_path), Finished)
    assert not stage.written
    return PASS


async def _unknown_state(stage: Stage) -> str:
    if stage.row.answers_at_the_end:
        return NOT_OFFERED
    stage.server.endings.append(Sticks("rehydrating"))
    progress = await stage.provider().poll(await stage.task(), stage.result_path)
    assert progress == Running("rehydrating"), progress
    return PASS


async def _late_link(stage: Stage) -> str:
    """Some vendors say that a task is finished a little before its link is there."""
    if stage.row.answers_at_the_end:
        return NOT_OFFERED
    stage.server.endings.append(Completes(empty_polls=1))
    provider, task = stage.provider(), await stage.task()
    polls = [await provider.poll(task, stage.result_path) for _ in range(2)]
    assert [len(each.links) for each in polls if isinstance(each, Finished)] == [0, 1], polls
    return PASS


async def _unknown_task(stage: Stage) -> str:
    """A task just made is not always found at once: it may be asked for again."""
    if stage.row.answers_at_the_end:
        return NOT_OFFERED
    never_made = await stage.task() + "9"
    await _raised(ProviderUnreachable, stage.provider().poll(never_made, stage.result_path))
    return PASS


async def _cut_off(stage: Stage) -> str:
    """A submit may have been accepted; a poll may be made again."""
    faults = (Reset(), Reset(after_effect=True), replace(UNENDED, cut=True))
    provider = stage.provider()
    for fault in faults:
        stage.server.faults.add(VendorCall.CREATE, fault)
        await _raised(ProviderOutcomeUnknown, provider.submit(stage.order()))
    assert stage.server.calls[VendorCall.CREATE] == len(faults)
    if not stage.row.answers_at_the_end:
        task = await stage.task()
        for fault in faults:
            # aiohttp asks again itself where a connection that it kept has gone.
            stage.server.faults.add(VendorCall.POLL, fault, times=2)
            await _raised(ProviderUnreachable, provider.poll(task, stage.result_path))
    assert not stage.written
    return PASS


async def _not_there(stage: Stage) -> str:
    """Nobody listens, so nothing was accepted."""
    provider = stage.provider(
        **{ROOT_OF[stage.route.provider]: f"http://127.0.0.1:{unused_port()}"}
    )
    for call in (provider.submit(stage.order()), provider.check(())):
        await _raised(ProviderUnreachable, call)
    return PASS


async def _too_many_references(stage: Stage) -> str:
    error = await _raised(ProviderRefused, stage.edit(TOO_MANY_REFERENCES))
    assert not error.moderation
    assert [each.task_id for each in stage.server.submissions] == [None]
    return PASS


async def _gone_model(stage: Stage) -> str:
    """A model that the vendor dropped is the operator's matter, who reads what the vendor says."""
    gone = replace(stage.route, upstream=f"{stage.route.upstream}-gone")
    error = await _raised(ProviderError, stage.provider().submit(stage.order(route=gone)))
    if isinstance(error, ProviderRefused):
        assert not error.moderation
        return NOT_OFFERED
    assert isinstance(error, ProviderMisconfigured), error
    said = error.words
    # RunningHub's models are paths.
    assert "model" in said or "URL" in said, said
    return PASS


async def _filter(stage: Stage) -> str:
    """The switch of the filter reaches the vendor, on and off."""
    if stage.route.nsfw_switch is NsfwSwitch.NONE:
        return NOT_OFFERED
    assert await _is_moderated(stage, stage.order(prompt="nsfw", nsfw_checker=True))
    await stage.finish(stage.provider(), stage.order(prompt="nsfw", nsfw_checker=False))
    return PASS


async def _secrets(stage: Stage) -> str:
    """Neither key nor prompt reaches a log or an error, even where the vendor quotes them."""
    provider, order = stage.provider(), stage.order(prompt="a very private prompt")
    words = f"bad: {order.prompt} with {stage.server.api_key}"
    errors: list[ProviderError] = []
    with _everything_logged() as log:
        for status in (200, 400, 500):
            stage.server.faults.add(VendorCall.CREATE, stage.row.complaint(status, words))
            try:
                log.write(repr(await provider.submit(order)))
            except ProviderError as error:
                errors.append(error)
        await stage.finish(provider, order)
    refused, unknown = errors[-2:]
    assert isinstance(refused, ProviderRefused)
    assert isinstance(unknown, ProviderOutcomeUnknown)
    for error in (refused, unknown):
        assert "bad: … with …" in error.words, error.words
        # A quote in part or in another case stays below DEBUG.
        assert "bad" not in str(error)
    printed = [(str(error), error.words) for error in errors]
    all_said = f"{log.getvalue()} {errors} {printed} {vars(provider)}"
    assert stage.server.api_key not in all_said
    assert order.prompt not in all_said
    return PASS


async def _is_moderated(stage: Stage, order: Order, task: str | None = None) -> bool:
    """
    Whether the order is refused for its content, at once or at the task's end.

    Args:
        task: one that was made already.
    """
    provider = stage.provider()
    try:
        answer = task or await provider.submit(order)
        poll = isinstance(answer, str)
        ending = await provider.poll(answer, order.result_path) if poll else answer
    except ProviderRefused as error:
        return error.moderation
    assert isinstance(ending, Failed), ending
    return ending.moderation and not ending.retryable


@contextmanager
def _everything_logged() -> Iterator[io.StringIO]:
    log = io.StringIO()
    handler, root = logging.StreamHandler(log), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


async def _raised(kind: type[E], call: Awaitable[object]) -> E:
    try:
        answer = await call
    except kind as error:
        return error
    raise AssertionError(f"nothing was raised, but {answer} came back")


CASES: Mapping[str, Callable[[Stage], Awaitable[str]]] = {
    "generate": _generate,
    "edit": _edit,
    "16 references": _most_references,
    "mask": _mask,
    "several images": _several_images,
    "moderation": _moderation,
    "relayed": _relayed_refusal,
    "no refusal": _no_refusal,
    "rate limit": _rate_limit,
    "out of money": _out_of_money,
    "bad key": _bad_key,
    "timeout": _timeout,
    "garbage": _garbage,
    "unknown state": _unknown_state,
    "late link": _late_link,
    "unknown task": _unknown_task,
    "cut off": _cut_off,
    "not there": _not_there,
    "17 references": _too_many_references,
    "gone model": _gone_model,
    "filter": _filter,
    "secrets": _secrets,
}


async def run_cell(row: Row, case: str, folder: Path) -> str:
    """Raises AssertionError, or whatever the adapter should not have raised."""
    async with open_stage(row, folder) as stage, asyncio.timeout(CELL_S):
        return await CASES[case](stage)


async def table() -> tuple[str, bool]:
    """The lines of it, and whether every cell passes."""
    width = max(len(row.route_id) for row in ROWS)
    lines = [" " * width + "".join(f"{case:>15}" for case in CASES)]
    good = True
    for row in ROWS:
        line = f"{row.route_id:<{width}}"
        for case in CASES:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    cell = await run_cell(row, case, Path(folder))
                except Exception as error:
                    good, cell = False, type(error).__name__.removeprefix("Provider")
            line += f"{cell[:14]:>15}"
        lines.append(line)
    return "\n".join(lines) + "\n", good


def main() -> int:
    logging.getLogger().addHandler(logging.NullHandler())
    lines, good = asyncio.run(table())
    sys.stdout.write(lines)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
