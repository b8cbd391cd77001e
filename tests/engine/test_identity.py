"""What a vendor is told of a member: the same hash each time, which leads nobody back to them."""

import hashlib
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.engine.identity import SALT_FILE, member_hash, open_salt
from bot.errors import StartupError
from bot.playground.discord import Upload
from tests.conftest import OpenEasel
from tests.support.pictures import noise, picture


def test_a_salt_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    salt = open_salt(tmp_path)
    assert open_salt(tmp_path) == salt
    assert stat.S_IMODE((tmp_path / SALT_FILE).stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [SALT_FILE]


def test_a_damaged_salt_is_said_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / SALT_FILE).write_bytes(b"short")
    with pytest.raises(StartupError, match="is damaged"):
        open_salt(tmp_path)


def test_members_are_told_apart_and_hosts_too(tmp_path: Path) -> None:
    ours, theirs = member_hash(b"a" * 32), member_hash(b"b" * 32)
    assert ours(1) == ours(1)
    assert len({ours(1), ours(2), theirs(1), theirs(2)}) == 4
    assert ours(1) != hashlib.sha256(b"1").hexdigest()


async def test_openai_gets_the_hash_and_others_get_nothing_of_the_member(
    opened: OpenEasel,
) -> None:
    async with opened(paint=lambda _: noise()) as easel:
        await easel.finished(await easel.imagine())
        ada, ben = (easel.discord.world.user(name).id for name in ("Ada", "Ben"))
        body = easel.providers.submissions[0].body
        assert str(ada) not in str(body)
        assert "user" not in body

        keys = {
            "apimodels_api_key": None,
            "openai_api_key": SecretStr(easel.providers.api_key),
            "openai_base_url": easel.providers.environment["OPENAI_BASE_URL"],
        }
        easel.settings = easel.settings.model_copy(update=keys)
        await easel.restart()
        await easel.finished(await easel.imagine())
        await easel.finished(await easel.imagine("Ben"))
        image = Upload("a.png", picture())
        given = {"prompt": "at night", "image": image}
        await easel.finished(await easel.discord.run_command("Ada", "studio", "edit", given))

        of = member_hash(open_salt(easel.folder))
        users = [each.body["user"] for each in list(easel.providers.submissions)[-3:]]
        assert users == [of(ada), of(ben), of(ada)]
