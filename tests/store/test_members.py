"""What members keep for going on: preferences, drafts, a basket and presets."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.domain.jobs import Job, Offer
from bot.domain.preferences import PRESETS_MAX, Pings, Preferences
from bot.domain.requests import REFERENCES_MAX, ImageRequest, Mode, Reference
from bot.errors import InsufficientCredits, InvalidRequest, Reason, Refusal, Repeated
from bot.store import members
from bot.store.database import Database
from bot.store.sql import Transaction
from tests.store.bench import ADA, BEN, LANTERN, NOW, TOMORROW, Bench, make_job

EDIT = ImageRequest(
    Mode.EDIT,
    "make it night 🌙",
    "",
    references=(Reference("https://cdn.example/1/a.png?ex=1", "a.png", 5, option="image"),),
    mask=Reference("https://cdn.example/2/m.png", "m.png", 5),
    parent_id="019a",
)
#: a text that no UTF-8 can hold
HALF = "half \ud83c of a pair\x00"


def picture(number: int, signature: str = "ex=1", result: str = "") -> Reference:
    url = f"https://cdn.example/{number}/a.png?{signature}"
    return Reference(url, f"{number}.png", 100 + number, kept_as=result)


async def pick(database: Database, *references: Reference, at: datetime = NOW) -> list[Reference]:
    return await database.write(members.add_to_basket, ADA, references, at)


async def gathered(database: Database, at: datetime = NOW, user: int = ADA) -> list[Reference]:
    return await database.read(members.basket, user, at)


async def test_preferences_are_kept_by_member_and_the_default_is_none(database: Database) -> None:
    mine = Preferences("16:9", "2K", "gpt-image-2", 3, private=True, pings=Pings.NEVER)
    theirs = Preferences(count=4)
    await database.write(members.prefer, ADA, Preferences(count=2))
    await database.write(members.prefer, ADA, mine)
    await database.write(members.prefer, BEN, theirs)
    assert await database.read(members.all_preferences) == {ADA: mine, BEN: theirs}
    await database.write(members.prefer, ADA, Preferences())
    assert await database.read(members.all_preferences) == {BEN: theirs}


async def test_a_draft_is_its_members_alone_and_used_once(database: Database) -> None:
    draft_id = await database.write(members.keep_draft, ADA, EDIT, NOW)
    other_id = await database.write(members.keep_draft, ADA, EDIT, NOW)
    assert draft_id != other_id
    assert len(draft_id) <= 24
    assert await database.read(members.draft, draft_id, ADA) == EDIT
    assert await database.read(members.draft, draft_id, BEN) is None
    await database.write(members.use_draft, draft_id, BEN)
    assert await database.read(members.draft, draft_id, ADA) == EDIT
    await database.write(members.use_draft, draft_id, ADA)
    assert await database.read(members.draft, draft_id, ADA) is None
    assert await database.read(members.draft, other_id, ADA) == EDIT


@pytest.mark.parametrize(
    "refused",
    [replace(LANTERN, prompt=HALF), replace(LANTERN, references=(replace(picture(1), url=HALF),))],
)
async def test_a_refused_request_is_kept_whatever_it_says(
    database: Database, refused: ImageRequest
) -> None:
    draft_id = await database.write(members.keep_draft, ADA, refused, NOW)
    assert await database.read(members.draft, draft_id, ADA) == refused


async def test_of_more_drafts_than_a_member_may_have_the_oldest_go(bench: Bench) -> None:
    database = bench.database

    async def keep(number: int, user: int = ADA) -> str:
        at = NOW + timedelta(seconds=number)
        return await database.write(members.keep_draft, user, LANTERN, at)

    theirs = await keep(0, BEN)
    kept = [await keep(number) for number in range(members.DRAFTS_MAX + 2)]
    # One of the same moment is not the one that goes.
    kept.append(await keep(members.DRAFTS_MAX + 1))
    found = {row[0] for row in await bench.rows("SELECT id FROM drafts")}
    assert found == {theirs, *kept[3:]}


UNREADABLE_TEXTS = ["", "{}", "[]", "null", '{"mode": "dance"}', "[" * 5_000]


@pytest.mark.parametrize("text", UNREADABLE_TEXTS)
async def test_what_another_version_wrote_spoils_nothing_else(
    database: Database, text: str
) -> None:
    draft_id = await database.write(members.keep_draft, ADA, LANTERN, NOW)
    await pick(database, picture(1), picture(2), picture(3))
    for name in ("old", "new"):
        await database.write(members.save_preset, ADA, name, LANTERN, NOW)

    def spoil(tx: Transaction) -> None:
        for statement in (
            "UPDATE drafts SET request = :text",
            "UPDATE basket SET reference = :text WHERE id = 2",
            "UPDATE presets SET request = :text WHERE name = 'old'",
        ):
            tx.execute(statement, {"text": text})

    await database.write(spoil)
    assert await database.read(members.draft, draft_id, ADA) is None
    assert await gathered(database) == [picture(1), picture(3)]
    assert await database.read(members.presets, ADA) == {"new": LANTERN}
    # A place is counted among what is shown.
    await database.write(members.take_from_basket, ADA, 1)
    assert await gathered(database) == [picture(1)]


async def test_the_same_picture_twice_is_one_in_its_place_with_its_newer_link(
    database: Database,
) -> None:
    await pick(database, picture(1), picture(2), picture(1, "ex=2"))
    assert await gathered(database) == [picture(1, "ex=2"), picture(2)]
    after = await pick(database, picture(3), picture(2, "ex=3"), picture(3))
    assert after == [picture(1, "ex=2"), picture(2, "ex=3"), picture(3)]
    assert await gathered(database) == after


async def test_a_result_is_one_picture_wherever_its_link_leads(database: Database) -> None:
    here = Reference("https://cdn.example/1/a.png", "a.png", 5, kept_as="019a/0")
    there = Reference("https://cdn.example/9/b.png", "b.png", 6, kept_as="019a/0")
    without_link = Reference("", "c.png", 7, kept_as="019a/1")
    assert await pick(database, here, without_link, there) == [there, without_link]
    # Attached by hand it is the same, and its kept file is still known.
    by_hand = replace(there, kept_as="")
    assert await pick(database, by_hand) == [there, without_link]
    assert await pick(database, replace(without_link, kept_as="019a/2")) == [
        there,
        without_link,
        replace(without_link, kept_as="019a/2"),
    ]


async def test_a_full_basket_takes_all_of_it_or_nothing(database: Database) -> None:
    await pick(database, *map(picture, range(REFERENCES_MAX - 1)))
    before = await gathered(database)
    with pytest.raises(InvalidRequest) as refused:
        await pick(database, picture(0, "ex=2"), picture(50), picture(51))
    assert refused.value.reason is Reason.BASKET_FULL
    assert refused.value.facts == {"images_max": REFERENCES_MAX}
    assert await gathered(database) == before
    assert len(await pick(database, picture(50), picture(50, "ex=2"))) == REFERENCES_MAX
    # What is there already fits.
    assert len(await pick(database, picture(3), picture(50))) == REFERENCES_MAX


async def test_a_basket_is_kept_for_a_day_from_the_last_addition(database: Database) -> None:
    noon = NOW + timedelta(hours=12)
    await pick(database, picture(1), picture(2))
    await pick(database, picture(1), at=noon)
    late = TOMORROW + timedelta(hours=11)
    assert len(await gathered(database, late)) == 2
    end = noon + members.BASKET_KEPT
    assert await gathered(database, end) == []
    assert await pick(database, picture(3), at=end) == [picture(3)]
    assert await gathered(database, end) == [picture(3)]


async def test_a_basket_is_taken_from_by_place_or_emptied(database: Database) -> None:
    await pick(database, picture(1), picture(2), picture(3))
    await database.write(members.add_to_basket, BEN, [picture(1)], NOW)
    for index in (1, 7, -1):
        await database.write(members.take_from_basket, ADA, index)
        assert await gathered(database) == [picture(1), picture(3)]
    await database.write(members.take_from_basket, ADA, None)
    assert await gathered(database) == []
    assert await gathered(database, user=BEN) == [picture(1)]


#: additions of pictures 0-19, and takings: a place, or -1 for all
basket_steps = st.lists(st.lists(st.integers(0, 19), max_size=17) | st.integers(-1, 17), max_size=8)


@settings(max_examples=settings.default.max_examples // 4)
@given(steps=basket_steps)
async def test_a_basket_is_a_bounded_list_without_doubles(
    database: Database, steps: list[list[int] | int]
) -> None:
    expected: list[int] = []
    await database.write(members.take_from_basket, ADA, None)
    for step in steps:
        if isinstance(step, int):
            await database.write(members.take_from_basket, ADA, None if step == -1 else step)
            expected = [n for place, n in enumerate(expected) if step not in (-1, place)]
            continue
        after = list(dict.fromkeys([*expected, *step]))
        if len(after) > REFERENCES_MAX:
            with pytest.raises(InvalidRequest):
                await pick(database, *map(picture, step))
        else:
            assert await pick(database, *map(picture, step)) == [*map(picture, after)]
            expected = after
        assert await gathered(database) == [*map(picture, expected)]


async def test_presets_are_sorted_without_case_and_saved_over(database: Database) -> None:
    for name in ("banner", "Avatar", "Zoë 🏮", "avatar"):
        await database.write(members.save_preset, ADA, name, LANTERN, NOW)
    await database.write(members.save_preset, ADA, "  ban\u200bner ", EDIT, NOW)
    await database.write(members.save_preset, BEN, "mine", EDIT, NOW)
    found = await database.read(members.presets, ADA)
    assert list(found.items()) == [
        ("Avatar", LANTERN),
        ("avatar", LANTERN),
        ("banner", EDIT),
        ("Zoë 🏮", LANTERN),
    ]
    assert await database.write(members.remove_preset, ADA, " banner") is True
    assert await database.write(members.remove_preset, ADA, "banner") is False
    assert await database.write(members.remove_preset, ADA, "") is False
    assert list(await database.read(members.presets, BEN)) == ["mine"]


async def test_two_members_may_give_their_presets_the_same_name(database: Database) -> None:
    await database.write(members.save_preset, ADA, "avatar", LANTERN, NOW)
    await database.write(members.save_preset, ADA, "banner", LANTERN, NOW)
    await database.write(members.save_preset, BEN, "avatar", LANTERN, NOW)
    await database.write(members.save_preset, ADA, "avatar", EDIT, NOW)
    assert await database.read(members.presets, BEN) == {"avatar": LANTERN}
    assert await database.write(members.remove_preset, ADA, "avatar")
    assert await database.read(members.presets, ADA) == {"banner": LANTERN}
    assert await database.read(members.presets, BEN) == {"avatar": LANTERN}


@pytest.mark.parametrize("name", ["", " \n", "\u200b", "\u200d", "\u3164", "a" * 51])
async def test_what_is_no_name_names_no_preset(database: Database, name: str) -> None:
    with pytest.raises(Refusal) as refused:
        await database.write(members.save_preset, ADA, name, LANTERN, NOW)
    assert refused.value.reason is Reason.PRESET_NAME
    assert refused.value.facts == {"chars_max": 50}


async def test_a_member_has_fifty_presets_and_may_save_over_them(database: Database) -> None:
    for number in range(PRESETS_MAX):
        await database.write(members.save_preset, ADA, f"{number}", LANTERN, NOW)
    with pytest.raises(Refusal) as refused:
        await database.write(members.save_preset, ADA, "more", LANTERN, NOW)
    assert refused.value.reason is Reason.TOO_MANY_PRESETS
    assert refused.value.facts == {"presets_max": PRESETS_MAX}
    await database.write(members.save_preset, ADA, "7", EDIT, NOW)
    await database.write(members.save_preset, BEN, "more", LANTERN, NOW)
    found = await database.read(members.presets, ADA)
    assert (len(found), found["7"]) == (PRESETS_MAX, EDIT)


async def test_what_is_older_than_a_day_is_swept(bench: Bench) -> None:
    database = bench.database
    for at in (NOW, NOW + timedelta(milliseconds=1)):
        await database.write(members.keep_draft, ADA, LANTERN, at)
    # Ada's is kept for her last addition, Ben's is not.
    await pick(database, picture(1))
    await pick(database, picture(2), at=NOW + timedelta(hours=1))
    await database.write(members.add_to_basket, BEN, [picture(1)], NOW)
    await database.write(members.save_preset, ADA, "old", LANTERN, NOW)
    assert not await database.write(members.sweep, TOMORROW)
    assert await bench.rows("SELECT count(*) FROM drafts") == [(1,)]
    assert await bench.rows("SELECT user_id FROM basket") == [(ADA,), (ADA,)]
    assert list(await database.read(members.presets, ADA)) == ["old"]


@pytest.mark.parametrize(
    ("table", "column", "statement"),
    [("drafts", "request", members.NEW_DRAFT), ("basket", "reference", members.ADD)],
)
async def test_it_is_swept_in_pieces_between_which_others_may_write(
    bench: Bench, table: str, column: str, statement: str
) -> None:
    rows = [
        {"id": str(user), "user_id": user, column: "{}", "created_at": NOW, "added_at": NOW}
        for user in range(members.SWEPT_AT_ONCE + 1)
    ]
    await bench.database.write(lambda tx: tx.executemany(statement, rows))
    assert await bench.database.write(members.sweep, TOMORROW)
    assert await bench.rows(f"SELECT count(*) FROM {table}") == [(1,)]
    assert not await bench.database.write(members.sweep, TOMORROW)
    assert await bench.rows(f"SELECT count(*) FROM {table}") == [(0,)]


async def order(bench: Bench, draft_id: str, name: str, **given: Any) -> Job:
    job, tasks = make_job(name, **given)
    await bench.jobs.accept(job, (), lambda _: [Offer(job, tuple(tasks))], draft_id=draft_id)
    return job


async def test_a_draft_pressed_twice_at_once_is_one_job(bench: Bench) -> None:
    draft_id = await bench.database.write(members.keep_draft, ADA, LANTERN, NOW)
    outcomes = await asyncio.gather(
        *(order(bench, draft_id, f"job{n}") for n in range(5)), return_exceptions=True
    )
    refusals = [each for each in outcomes if isinstance(each, Refusal)]
    assert [each.reason for each in refusals] == [Reason.DRAFT_USED] * 4
    assert len(await bench.rows("SELECT id FROM jobs")) == 1
    assert await bench.moves() == [("allowance", 1_000_000), ("hold", -60_000)]


async def test_a_draft_whose_order_is_refused_can_be_ordered_again(bench: Bench) -> None:
    draft_id = await bench.database.write(members.keep_draft, ADA, LANTERN, NOW)
    job, tasks = make_job("dear", price=2_000_000)
    offers = [Offer(job, tuple(tasks))]
    refused = await bench.jobs.accept_or_keep(job, (), lambda _: offers, draft_id=draft_id)
    assert isinstance(refused, InsufficientCredits)
    # It is named again, and no second one is kept.
    assert refused.draft_id == draft_id
    assert await bench.rows("SELECT id FROM drafts") == [(draft_id,)]
    assert await bench.database.read(members.draft, draft_id, ADA) == LANTERN
    await order(bench, draft_id, "cheap")
    assert await bench.database.read(members.draft, draft_id, ADA) is None


async def test_a_repeated_order_is_known_by_its_interaction(bench: Bench) -> None:
    draft_id = await bench.database.write(members.keep_draft, ADA, LANTERN, NOW)
    await order(bench, draft_id, "lantern")
    with pytest.raises(Repeated):
        await order(bench, draft_id, "lantern")


async def test_nobody_orders_another_members_draft(bench: Bench) -> None:
    draft_id = await bench.database.write(members.keep_draft, ADA, LANTERN, NOW)
    with pytest.raises(Refusal) as refused:
        await order(bench, draft_id, "theirs", user=BEN)
    assert refused.value.reason is Reason.DRAFT_USED
    assert await bench.rows("SELECT id FROM jobs") == []
    assert await bench.moves() == []


async def test_additions_at_once_lose_nothing(database: Database) -> None:
    await asyncio.gather(*(pick(database, picture(number)) for number in range(REFERENCES_MAX)))
    assert len(await gathered(database)) == REFERENCES_MAX
