"""Settings as people have them: taken as they were meant, or refused by their names."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.errors import StartupError
from bot.settings import Settings, load_settings, misspelt_settings
from tests.test_cli import easel

HOME = str(Path.home())
#: a value of each setting, as README writes it; one that is new must be added
GIVEN = {
    "DISCORD_TOKEN": "abc.def.ghi",
    "DISCORD_API_BASE": "http://127.0.0.1:9/api/v10",
    "DISCORD_GUILD_IDS": "1, 2",
    "SHARD_COUNT": "2",
    "SHARD_IDS": "0,1",
    "DATABASE_URL": "sqlite:///elsewhere/easel.db",
    "DATA_DIR": "elsewhere",
    "APIMODELS_API_KEY": "sk_1",
    "MAXAPI_KEY": "sk_2",
    "KIE_API_KEY": "sk_3",
    "OPENAI_API_KEY": "sk_4",
    "GOOGLE_API_KEY": "sk_6",
    "RUNNINGHUB_API_KEY": "sk_5",
    "APIMODELS_BASE_URL": "http://127.0.0.1:1/v1",
    "MAXAPI_BASE_URL": "http://127.0.0.1:2",
    "MAXAPI_ASSET_DELIVERY": "mirror",
    "KIE_BASE_URL": "http://127.0.0.1:3",
    "KIE_UPLOAD_URL": "http://127.0.0.1:4",
    "OPENAI_BASE_URL": "http://127.0.0.1:5/v1",
    "GOOGLE_BASE_URL": "http://127.0.0.1:7",
    "RUNNINGHUB_BASE_URL": "http://127.0.0.1:6",
    "CATALOG_FILE": "catalog.toml",
    "ROUTE_ORDER": "cheapest",
    "DEFAULT_MODEL": "gpt-image-2",
    "ALLOWANCE": "2.50",
    "ALLOWANCE_PERIOD": "week",
    "SERVER_BUDGET": "100",
    "TOTAL_BUDGET": "1000",
    "CONFIRM_ABOVE": "0.5",
    "ALLOWED_SERVERS": "1, 2",
    "ALLOW_DIRECT_MESSAGES": "false",
    "MAX_JOBS_PER_USER": "3",
    "MAX_JOBS_PER_SERVER": "17",
    "MAX_RUNNING_JOBS": "65",
    "MAX_QUEUED_JOBS": "1001",
    "MAX_QUEUED_PER_USER": "21",
    "KEEP_RESULTS": "3",
    "KEEP_BYTES_MAX": "1000000",
    "KEEP_PROMPTS": "30",
    "KEEP_JOBS": "400",
    "PUBLIC_URL": "https://bot.example.org",
    "KIE_WEBHOOK_KEY": "hook",
    "ALLOW_PRIVATE_ADDRESSES": "true",
    "OPS_HOST": "0.0.0.0",
    "OPS_PORT": "8081",
    "LOG_LEVEL": "WARNING",
    "LOG_FORMAT": "json",
}
WRITINGS: dict[str, Callable[[str], str]] = {
    "double quotes": lambda value: f'"{value}"',
    "single quotes": lambda value: f"'{value}'",
    "typographic quotes": lambda value: f"“{value}”",
    "quotes and spaces": lambda value: f' " {value} " ',
    "trailing spaces": lambda value: f"{value}  \t",
    "a no-break space": lambda value: f"\u00a0{value}\u00a0",
    "a carriage return": lambda value: f"{value}\r",
    "a comment": lambda value: f"{value} # as README says",
    "a quoted value and a comment": lambda value: f'"{value}"   # as README says',
}


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)


def test_every_setting_is_tried() -> None:
    assert set(GIVEN) == {name.upper() for name in Settings.model_fields}


def read(name: str) -> object:
    value = getattr(load_settings(), name.lower())
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def differing(ones: Settings, others: Settings) -> set[str]:
    return {name for name in GIVEN if getattr(ones, name.lower()) != getattr(others, name.lower())}


@pytest.mark.parametrize("writing", WRITINGS)
def test_the_environment_is_taken_as_it_was_meant(
    monkeypatch: pytest.MonkeyPatch, writing: str
) -> None:
    """`docker run --env-file` hands everything behind the = on."""
    by_default = load_settings()
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    plain = load_settings()
    assert differing(plain, by_default) == GIVEN.keys()
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, WRITINGS[writing](value))

    assert differing(load_settings(), plain) == set()


@pytest.mark.parametrize("empty", ["", " ", '""', "''", ' " " ', "  # as README says"])
def test_what_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    by_default = load_settings()
    for name in GIVEN:
        monkeypatch.setenv(name, empty)

    assert differing(load_settings(), by_default) == set()


@pytest.mark.parametrize(
    "file",
    [
        "ALLOWANCE=2.50\nMAX_JOBS_PER_USER=3\n",
        "\ufeffALLOWANCE=2.50\r\nMAX_JOBS_PER_USER=3\r\n",
        "export ALLOWANCE='2.50'   \nexport MAX_JOBS_PER_USER = \"3\"\n",
        "ALLOWANCE=9\nALLOWANCE=2.50 # the last one counts\n\n# a comment\nMAX_JOBS_PER_USER= 3 \n",
        "allowance=2.50\nMax_Jobs_Per_User=“3”",
    ],
    ids=["plain", "BOM and CRLF", "export and quotes", "twice", "any letters"],
)
def test_an_env_file_is_taken_as_it_was_meant(tmp_path: Path, file: str) -> None:
    (tmp_path / ".env").write_bytes(file.encode())
    settings = load_settings()

    assert (settings.allowance, settings.max_jobs_per_user) == ("2.50", 3)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DATA_DIR", "~/easel", Path(HOME, "easel")),
        ("DATA_DIR", '"~/easel"', Path(HOME, "easel")),
        ("CATALOG_FILE", "~/catalog.toml", Path(HOME, "catalog.toml")),
        ("DATABASE_URL", "sqlite:///~/easel.db", f"sqlite:///{HOME}/easel.db"),
        ("DATABASE_URL", "sqlite:////data/easel.db", "sqlite:////data/easel.db"),
        ("ALLOWANCE_PERIOD", "Week", "week"),
        ("LOG_LEVEL", "warning", "WARNING"),
        ("LOG_FORMAT", "JSON", "json"),
        ("ROUTE_ORDER", "Cheapest", "cheapest"),
        ("ALLOW_PRIVATE_ADDRESSES", "YES", True),
        ("ALLOW_PRIVATE_ADDRESSES", "off", False),
        ("DISCORD_TOKEN", "Bot abc.def", "abc.def"),
        ("DISCORD_TOKEN", '"Bot abc.def"', "abc.def"),
        ("OPENAI_API_KEY", "sk_1\n", "sk_1"),
        ("DATA_DIR", "a#b", Path("a#b")),
        ("DISCORD_GUILD_IDS", "2, 1, 02", (2, 1)),
    ],
)
def test_a_value_is_taken_as_it_was_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: object
) -> None:
    monkeypatch.setenv(name, value)

    assert read(name) == expected


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("DISCORD_TOKEN", "abc\ndef", "DISCORD_TOKEN is wrong: it holds a space, a line break"),
        ("KIE_WEBHOOK_KEY", "a b", "KIE_WEBHOOK_KEY is wrong: it holds a space"),
        ("OPENAI_API_KEY", "“sk", "OPENAI_API_KEY is wrong: it holds a space"),
        ("ALLOWANCE", "1,00", "ALLOWANCE is wrong: '1,00' is not a number of credits"),
        ("MAX_JOBS_PER_USER", "two", "MAX_JOBS_PER_USER is wrong: Input should be a valid integer"),
        ("DATA_DIR", "~nobody-here/x", "DATA_DIR is wrong: there is no home folder for ~nobody"),
        ("DATABASE_URL", "easel.db", "DATABASE_URL is wrong: must look like sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:", "DATABASE_URL is wrong: must look like sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory%3A?a", "DATABASE_URL is wrong: must look like sqlite"),
        ("DATABASE_URL", "sqlite:///a%00b", "DATABASE_URL is wrong: must look like sqlite:///"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL is wrong: Input should be 'DEBUG', 'INFO'"),
        ("DISCORD_API_BASE", "discord.com", "DISCORD_API_BASE is wrong: must be an address"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError) as refused:
        load_settings()

    assert str(refused.value).startswith(complaint)
    assert "\n" not in str(refused.value)
    if name.endswith(("TOKEN", "KEY")):
        assert value not in str(refused.value)


@pytest.mark.parametrize("name", ["CATALOG_FILE", "DATA_DIR", "DATABASE_URL"])
def test_a_nul_in_the_name_of_a_file_is_refused_by_its_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """The environment cannot hold one, but `.env` can."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"{name}=sqlite:///a\0b\n")
    with pytest.raises(StartupError, match=f"^{name} is wrong: "):
        load_settings()


@pytest.mark.skipif(sys.platform == "win32", reason="folders are named otherwise there")
async def test_check_makes_no_folder_called_quotes_or_tilde(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / ".env").write_text(
        "\ufeffDATA_DIR='~/easel'\nDATABASE_URL=\"sqlite:///~/easel/easel.db\"\nOPS_PORT='0'\n"
        "DISCORD_TOKEN='abc.def'\nDISCORD_API_BASE=http://127.0.0.1:9\n"
    )
    ended = await easel(tmp_path, "check", HOME=str(home))

    assert f"✓ images: {home / 'easel' / 'images'} can be written to" in ended.out
    assert (home / "easel" / "easel.db").exists()
    assert not any((tmp_path / name).exists() for name in ("~", "'~", '"data"', "data"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ALOWANCE", "ALLOWANCE"),
        ("DISCORD_BOT_TOKEN", "DISCORD_TOKEN"),
        ("APIMODELS_KEY", "APIMODELS_API_KEY"),
        ("MAXAPI_API_KEY", "MAXAPI_KEY"),
        ("max_jobs_user", "MAX_JOBS_PER_USER"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("DISCORD_GUILDS", "DISCORD_GUILD_IDS"),
    ],
)
def test_a_name_that_looks_like_a_setting_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, meant: str
) -> None:
    sentence = f"{name.upper()} is no setting and changes nothing: did you mean {meant}?"
    assert sentence not in misspelt_settings()
    monkeypatch.setenv(name, "5")
    assert sentence in misspelt_settings()
    monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"{name}=5\n")
    assert sentence in misspelt_settings()


def test_what_a_system_or_a_setting_is_called_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = misspelt_settings()
    system = ("HOME", "USER", "HOST", "HOSTNAME", "PORT", "LOGNAME", "LANG", "TZ", "PYTHONPATH")
    for name in (*system, "OPENAI_ORG_ID", "XDG_DATA_DIRS", "SSL_CERT_FILE", "LOG_FILE"):
        monkeypatch.setenv(name, "x")
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "x")
    assert misspelt_settings() == before


async def test_run_and_check_say_a_name_that_is_no_setting(tmp_path: Path) -> None:
    given = {"ALOWANCE": "5", "OPS_PORT": "0", "DISCORD_API_BASE": "http://127.0.0.1:9/api/v10"}
    said = "ALOWANCE is no setting and changes nothing: did you mean ALLOWANCE?"
    checked = await easel(tmp_path, "check", **given)
    assert f"! {said}" in checked.out
    (tmp_path / "catalog.toml").write_text("")
    more = {"DISCORD_TOKEN": "x", "CATALOG_FILE": "catalog.toml"}
    ended = await easel(tmp_path, "run", **given, **more)
    assert said in ended.err
