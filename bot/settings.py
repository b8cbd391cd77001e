"""Each environment variable with its bounds and default; nothing else reads the environment."""

import os
import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from yarl import URL

from bot.domain.catalog import RouteOrder
from bot.domain.credits import Microcredits, parse_credits
from bot.domain.ledger import Period
from bot.errors import StartupError
from bot.providers.registry import VENDORS
from bot.providers.vendors import Value

#: quotes that people, other programs and word processors put around values
QUOTES = ('""', "''", "\u201c\u201d", "\u201e\u201c", "\u2018\u2019", "\u00ab\u00bb", "``")
#: what is no part of a value, on either side of it
AROUND = "\ufeff \t\r\n\u00a0\u200b"
#: how much a name is like that of the setting that was meant, by difflib's ratio; 1: the same
ALIKE = 0.82
COMMENT = re.compile(r"\s+#.*$")


def _plain(text: str) -> str:
    """
    A value as it was meant: `docker run --env-file` keeps quotes, comments and trailing spaces.
    """
    if not _quoted(text.strip(AROUND)):
        text = COMMENT.sub("", text)
    text = text.strip(AROUND)
    return text[1:-1].strip() if _quoted(text) else text


def _quoted(text: str) -> bool:
    return len(text) >= 2 and text[0] + text[-1] in QUOTES


def _choices(annotation: Any) -> dict[str, object]:
    """The words that a setting takes, by their lower case; empty if it takes other values, too."""
    if get_origin(annotation) is Literal:
        return {str(word).lower(): word for word in get_args(annotation)}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {str(word.value).lower(): word for word in annotation}
    return {}


def _token(secret: SecretStr) -> SecretStr:
    """The token without `Bot`, which stands before it in a header, and so in many instructions."""
    return SecretStr(secret.get_secret_value().removeprefix("Bot ").strip())


def _home(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("no file's name holds a NUL")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder for {path.parts[0]}") from None


def _numbers(text: object) -> object:
    """ "1, 2, 1" as [1, 2]; empty as []."""
    if not isinstance(text, str):
        return text
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    if not all(number.isdecimal() for number in numbers):
        raise ValueError("must be whole numbers, separated by commas")
    return list(dict.fromkeys(map(int, numbers)))


def _root(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("must be an address that begins with https:// (or http://)")
    try:
        parsed = URL(url)
        named = bool((parsed.host or "").encode("idna")) and not any(map(str.isspace, url))
    except ValueError:
        named = False
    if not named:
        raise ValueError("must name a host, and a port if any, as in https://example.com:8443")
    if parsed.user or parsed.password:
        raise ValueError("must hold no name and no password")
    return url.rstrip("/")


def _public(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError("must begin with https://")
    return url


def _key(secret: SecretStr) -> SecretStr:
    """Refuse a key that cannot stand in a header: here, where nothing has quoted it yet."""
    if not all("!" <= character <= "~" for character in secret.get_secret_value().strip()):
        raise ValueError(
            "it holds a space, a line break or another character that no key has; copy it again"
        )
    return secret


def _sqlite(url: str) -> str:
    scheme, slashes, path = url.partition(":///")
    name = unquote(path.partition("?")[0])
    # SQLite takes it for no file, but for as many databases as there are connections.
    in_memory = name == ":memory:"
    if scheme != "sqlite" or not slashes or not name or in_memory or "\0" in name:
        raise ValueError("must look like sqlite:///data/easel.db")
    return f"sqlite:///{_home(Path(path))}"


def _amount(text: str) -> str:
    parse_credits(text)
    return text


Numbers = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_numbers)]
Address = Annotated[str, AfterValidator(_root)]
Key = Annotated[SecretStr, AfterValidator(_key)]
Token = Annotated[SecretStr, AfterValidator(_token), AfterValidator(_key)]
#: credits, as a person writes them
Amount = Annotated[str, AfterValidator(_amount)]
Home = Annotated[Path, AfterValidator(_home)]


class OwnSettings(BaseSettings):
    """The settings of Easel itself, without those of vendors."""

    model_config = SettingsConfigDict(
        env_file=".env",
        # With or without the byte order mark that some editors put first.
        env_file_encoding="utf-8-sig",
        # "SETTING=" means that it is not set, as in a copied .env.example.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        # Of the three classes here, a process uses one.
        defer_build=True,
    )

    #: bot token
    discord_token: Token | None = None
    #: REST root: Discord, a REST proxy, or the playground; the gateway's address comes from it
    discord_api_base: Address = "https://discord.com/api/v10"
    #: sync commands to these servers at once instead of globally
    discord_guild_ids: Numbers = ()
    #: gateway shards altogether, and which of them this process holds; automatic when empty;
    #: each process needs a database and a data folder of its own
    shard_count: Annotated[int, Field(ge=1, le=10_000)] | None = None
    shard_ids: Numbers = ()
    database_url: Annotated[str, AfterValidator(_sqlite)] = "sqlite:///data/easel.db"
    #: folder of images in flight, of results that are kept, and of the salt of members' hashes
    data_dir: Home = Path("data")
    #: replaces the shipped catalog
    catalog_file: Home | None = None
    #: which of the routes that can do a request comes first
    route_order: RouteOrder = RouteOrder.LISTED
    #: used when a member names none; when empty, the first model that the keys can make, with a
    #: filter if any has one
    default_model: str | None = None
    #: credits per member, server and period; direct messages count as one more server
    allowance: Amount = "1.00"
    allowance_period: Period = Period.DAY
    #: credits that a whole server may spend in a month; none when empty
    server_budget: Amount | None = None
    #: the same for all servers and direct messages together
    total_budget: Amount | None = None
    #: credits; a button or form asks before it spends more
    confirm_above: Amount = "0.25"
    #: ids of the servers that the bot serves; it leaves others; all when empty
    allowed_servers: Numbers = ()
    allow_direct_messages: bool = True
    #: jobs under way at once; further ones wait
    max_jobs_per_user: Annotated[int, Field(ge=1, le=1_000)] = 2
    max_jobs_per_server: Annotated[int, Field(ge=1, le=10_000)] = 16
    max_running_jobs: Annotated[int, Field(ge=1, le=10_000)] = 64
    #: jobs that may wait; a further one is refused
    max_queued_jobs: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    max_queued_per_user: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    #: days for which results are kept as they were made; 0: not at all
    keep_results: Annotated[int, Field(ge=0, le=3_650)] = 7
    #: bytes of kept results; with more, the oldest go before their time
    keep_bytes_max: Annotated[int, Field(ge=0)] = 5_000_000_000
    #: days for which the words and references of jobs are kept; 0: for ever
    keep_prompts: Annotated[int, Field(ge=0, le=36_500)] = 90
    #: days for which jobs are kept beyond what the ledger needs; 0: for ever
    keep_jobs: Annotated[int, Field(ge=0, le=36_500)] = 0
    #: where providers can call back, over https; needs the ops port behind it
    public_url: Annotated[Address, AfterValidator(_public)] | None = None
    #: let result links point at loopback or private hosts
    allow_private_addresses: bool = False
    ops_host: str = "127.0.0.1"
    #: /healthz, /readyz and /metrics; 0 turns them off
    ops_port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"

    @model_validator(mode="before")
    @classmethod
    def as_meant(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Take quotes off, match choices in any letter case, and leave out what is then empty."""
        meant: dict[str, Any] = {}
        for name, value in given.items():
            plain = _plain(value) if isinstance(value, str) else value
            if plain == "":
                continue
            field = cls.model_fields.get(name)
            choices = _choices(field.annotation) if field else {}
            meant[name] = choices.get(str(plain).lower(), plain)
        return meant

    @property
    def allowance_ucr(self) -> Microcredits:
        return parse_credits(self.allowance)

    @property
    def server_budget_ucr(self) -> Microcredits | None:
        return None if self.server_budget is None else parse_credits(self.server_budget)

    @property
    def total_budget_ucr(self) -> Microcredits | None:
        return None if self.total_budget is None else parse_credits(self.total_budget)

    @property
    def confirm_above_ucr(self) -> Microcredits:
        return parse_credits(self.confirm_above)

    def of_vendor(self, name: str) -> Value:
        """The value of a vendor's setting, by its name."""
        value: Value = getattr(self, name.lower())
        return value

    def token(self) -> str:
        """
        Raises:
            StartupError: it is not set; says where to get it.
        """
        token = self.discord_token.get_secret_value().strip() if self.discord_token else ""
        if not token:
            raise StartupError(
                "DISCORD_TOKEN is not set: create an application at"
                " https://discord.com/developers/applications, open Bot, press Reset Token and copy"
                " what it shows.",
                usage=True,
            )
        return token


def _of_vendors() -> dict[str, Any]:
    """The settings of all vendors, as their records name them."""
    fields: dict[str, Any] = {}
    for vendor in VENDORS:
        fields[vendor.key.lower()] = (Key | None, None)
        fields[vendor.root.lower()] = (Address, vendor.root_default)
        for name, option in vendor.options.items():
            match option.takes:
                case "address":
                    takes: Any = Address
                case "key":
                    takes = Key | None
                case words:
                    takes = Literal[words]
            fields[name.lower()] = (takes, option.default)
    return fields


if TYPE_CHECKING:
    Settings = OwnSettings
else:
    #: README and .env.example say the same of each, and a test compares them
    Settings = create_model("Settings", __base__=OwnSettings, **_of_vendors())


class GivenSettings(Settings):
    """Settings that the environment cannot change: for the demo and the tests."""

    def __init__(self, **given: Any) -> None:
        # Past the sources that a BaseSettings gathers before it is validated.
        BaseModel.__init__(self, **given)


def load_settings() -> Settings:
    """
    Read the environment and `.env`.

    Raises:
        StartupError: names the setting that is wrong, never its value if it is a secret.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "A setting"
        complaint = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise StartupError(
            f"{name} is wrong: {complaint}. README lists what it takes.", usage=True
        ) from None
    except UnicodeDecodeError:
        raise StartupError(".env is not UTF-8 text.", usage=True) from None
    except OSError as error:
        raise StartupError(f".env cannot be read: {error.strerror}.", usage=True) from error
    for shard_id in settings.shard_ids:
        if settings.shard_count is None or not 0 <= shard_id < settings.shard_count:
            raise StartupError(
                "SHARD_IDS is wrong: each must be below SHARD_COUNT, which must be set.", usage=True
            )
    return settings


def misspelt_settings() -> list[str]:
    """
    Find names in the environment and `.env` that are no setting but look like one.

    Returns:
        A sentence for each, with the name that may have been meant.
    """
    # Imported here because only a start needs them, once.
    import difflib

    from dotenv import dotenv_values

    known = [name.upper() for name in Settings.model_fields]
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env", encoding="utf-8-sig"))}
    return [
        f"{name} is no setting and changes nothing: did you mean {meant[0]}?"
        for name in sorted(given - set(known))
        if (meant := difflib.get_close_matches(name, known, 1, ALIKE))
    ]
