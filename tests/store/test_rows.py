"""Whatever a member asks for reads back from its row as it was written."""

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.domain.requests import (
    ASPECT_RATIOS,
    QUALITIES,
    RESOLUTIONS,
    ImageRequest,
    Mode,
    Reference,
)
from bot.store.rows import read_request
from bot.store.sql import read_facts
from tests.store.bench import LANTERN, Bench, make_job

texts = st.text(max_size=40)
numbers = st.none() | st.integers(1, 10_000)
references = st.builds(
    Reference,
    url=texts,
    filename=texts,
    size_bytes=st.integers(0, 2**40),
    content_type=st.none() | texts,
    width_px=numbers,
    height_px=numbers,
)
requests = st.builds(
    ImageRequest,
    mode=st.sampled_from(Mode),
    prompt=st.text(max_size=200),
    model=texts,
    aspect_ratio=st.sampled_from(ASPECT_RATIOS),
    resolution=st.sampled_from(RESOLUTIONS),
    quality=st.sampled_from(QUALITIES),
    count=st.just(1),
    references=st.lists(references, max_size=16).map(tuple),
    private=st.booleans(),
)
numbered = itertools.count()


# A quarter of the profile's examples: each is a transaction on disk.
@settings(max_examples=settings.default.max_examples // 4)
@given(request=requests)
@example(request=replace(LANTERN, prompt="👩🏽‍🎨 paints 🏳️‍🌈, \"quoted\" \\ 'so'\x00\n\u2028 ﷽"))
async def test_a_request_reads_back_as_it_was(bench: Bench, request: ImageRequest) -> None:
    # One database serves all examples, so each job has an id of its own and costs nothing.
    job, tasks = make_job(f"job{next(numbered)}", price=0, request=request)
    await bench.take(job, tasks)
    assert await bench.jobs.job(job.id) == job


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[" * 100_000,
        '{"mode": "generate", "prompt": "a lantern"}',
        '{"mode": "dream", "prompt": "a lantern", "model": ""}',
        '{"mode": "generate", "prompt": "a lantern", "model": "", "count": "2"}',
        '{"mode": "generate", "prompt": "a lantern", "model": "", "count": true}',
        '{"mode": "generate", "prompt": "a lantern", "model": "", "references": [{"url": 5}]}',
        '{"mode": "generate", "prompt": "a lantern", "model": "", "of_a_later_version": 1}',
    ],
)
def test_what_this_version_cannot_read_is_no_request(text: str) -> None:
    assert read_request(text) is None


@pytest.mark.parametrize("text", ["", "null", "[]", "not JSON", "[" * 100_000])
def test_facts_that_this_version_cannot_read_are_none(text: str) -> None:
    assert read_facts(text) == {}


async def test_the_prompt_is_stored_in_the_letters_it_was_typed_in(bench: Bench) -> None:
    await bench.accept(request=replace(LANTERN, prompt="ein Papierlampion für Zoë 🏮"))
    ((text,),) = await bench.rows("SELECT request FROM jobs")
    assert '"prompt": "ein Papierlampion für Zoë 🏮"' in text


async def test_times_are_utc_and_exact_to_the_millisecond(bench: Bench) -> None:
    at = datetime(2025, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    await bench.accept(at=at)
    job = await bench.jobs.job("lantern")
    assert (job.created_at, job.created_at.tzinfo) == (at, UTC)
    assert await bench.rows("SELECT created_at + 0 AS stored FROM jobs") == [(1_767_225_599_999,)]
