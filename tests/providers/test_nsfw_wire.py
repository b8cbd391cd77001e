"""What each route's vendor is told of the NSFW filter, in every state that the rule knows."""

from pathlib import Path

import pytest

from bot.domain.catalog import NsfwSwitch
from bot.domain.requests import Mode
from bot.domain.settings import NsfwMode
from tests.domain.nsfw_matrix import PLACES, nsfw_state
from tests.providers.stage import ROWS, Row, open_stage

#: every name by which a vendor is told of it
FIELDS = ("nsfw_checker", "moderation")

pytestmark = pytest.mark.slow


def sent(body: dict[str, object]) -> dict[str, object]:
    """What a request says of the filter, wherever in it."""
    found = {name: body[name] for name in FIELDS if name in body}
    inner = body.get("input")
    return found | (sent(inner) if isinstance(inner, dict) else {})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route_id)
async def test_each_request_says_what_the_rule_says(row: Row, tmp_path: Path) -> None:
    async with open_stage(row, tmp_path) as stage:
        states = {
            (mode, name): nsfw_state(mode, place, stage.route.nsfw_switch)
            for mode in NsfwMode
            for name, place in PLACES.items()
        }
        provider = stage.provider()
        for where, state in states.items():
            if not state.served:
                # The catalog leaves the route out: tests/domain/test_catalog.py.
                assert stage.route.nsfw_switch is NsfwSwitch.NONE
                continue
            order = stage.order(nsfw_checker=state.rule.nsfw_checker)
            await stage.finish(provider, order)
            assert sent(stage.server.submissions[-1].body) == dict(state.fields), where


@pytest.mark.parametrize("nsfw_checker", [True, False])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route_id)
async def test_an_edit_says_the_same_or_leaves_the_vendors_filter_on(
    row: Row, nsfw_checker: bool, tmp_path: Path
) -> None:
    """OpenAI's multipart edits have no such field: its filter stays as it is by default, on."""
    async with open_stage(row, tmp_path) as stage:
        switch = stage.route.nsfw_switch
        provider = stage.provider()
        image = stage.image("reference", (9, 60, 80, 255))
        given = {"references": (image,)}
        if provider.upload is not None:
            given = {"reference_links": (await provider.upload(image),)}
        order = stage.order(mode=Mode.EDIT, nsfw_checker=nsfw_checker, **given)
        await stage.finish(provider, order)
        expected = switch.fields(nsfw_checker=nsfw_checker)
        if switch is NsfwSwitch.MODERATION:
            expected = {}
        assert sent(stage.server.submissions[-1].body) == expected
