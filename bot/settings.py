"""Each environment variable with its bounds and default; nothing else reads the environment."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from bot.domain.catalog import RouteOrder
from bot.domain.credits import Microcredits, parse_credits
from bot.domain.ledger import Period
from bot.errors import StartupError

#: where a setting that is needed comes from
WHERE_TO_GET = {
    "DISCORD_TOKEN": (
        "create an application at https://discord.com/developers/applications, open Bot, press"
        " Reset Token and copy what it shows"
    ),
}


def _numbers(text: object) -> object:
    """ "1, 2" as [1, 2]; empty as []."""
    if isinstance(text, str):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _root(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("must be an address that begins with https:// (or http://)")
    return url.rstrip("/")


def _sqlite(url: str) -> str:
    if not url.startswith("sqlite:///") or url == "sqlite:///":
        raise ValueError("must look like sqlite:///data/easel.db")
    return url


def _amount(text: str) -> str:
    parse_credits(text)
    return text


Numbers = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_numbers)]
Address = Annotated[str, AfterValidator(_root)]


class Settings(BaseSettings):
    """The settings; README and .env.example say the same of each, and a test compares them."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        # "SETTING=" means not set, as in a copied .env.example
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    #: bot token
    discord_token: SecretStr | None = None
    #: REST root: Discord, a REST proxy, or the playground; the gateway's address comes from it
    discord_api_base: Address = "https://discord.com/api/v10"
    #: sync commands to these servers at once instead of globally
    discord_guild_ids: Numbers = ()
    #: gateway shards altogether, and which of them this process holds; automatic when empty
    shard_count: Annotated[int, Field(ge=1, le=10_000)] | None = None
    shard_ids: Numbers = ()
    database_url: Annotated[str, AfterValidator(_sqlite)] = "sqlite:///data/easel.db"
    #: folder of images in flight
    data_dir: Path = Path("data")
    #: a provider is on when its key is set
    apimodels_api_key: SecretStr | None = None
    maxapi_key: SecretStr | None = None
    kie_api_key: SecretStr | None = None
    openai_api_key: SecretStr | None = None
    runninghub_api_key: SecretStr | None = None
    apimodels_base_url: Address = "https://api.apimodels.app/v1"
    maxapi_base_url: Address = "https://api.maxapi.dev"
    #: the host that MaxAPI's result links name: its own, or another name of it
    maxapi_asset_delivery: Literal["default", "mirror"] = "default"
    kie_base_url: Address = "https://api.kie.ai"
    kie_upload_url: Address = "https://kieai.redpandaai.co"
    openai_base_url: Address = "https://api.openai.com/v1"
    runninghub_base_url: Address = "https://www.runninghub.ai/openapi/v2"
    #: replaces the shipped catalog
    catalog_file: Path | None = None
    #: which of the routes that can do a request comes first
    route_order: RouteOrder = RouteOrder.LISTED
    #: the catalog's first model when empty
    default_model: str | None = None
    #: credits per member and period
    allowance: Annotated[str, AfterValidator(_amount)] = "1.00"
    allowance_period: Period = Period.DAY
    #: jobs under way at once; further ones wait
    max_jobs_per_user: Annotated[int, Field(ge=1, le=1_000)] = 2
    max_jobs_per_server: Annotated[int, Field(ge=1, le=10_000)] = 16
    max_running_jobs: Annotated[int, Field(ge=1, le=10_000)] = 64
    #: jobs that may wait; a further one is refused
    max_queued_jobs: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    #: where providers can call back, over https; needs the ops port behind it
    public_url: Address | None = None
    #: key of kie.ai's signed callbacks, from its account page; without it none is asked for
    kie_webhook_key: SecretStr | None = None
    #: let result links point at loopback or private hosts
    allow_private_addresses: bool = False
    ops_host: str = "127.0.0.1"
    #: /healthz and /readyz; 0 turns them off
    ops_port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"

    @property
    def allowance_ucr(self) -> Microcredits:
        return parse_credits(self.allowance)

    def needed(self, name: str) -> str:
        """
        A secret that this use of the program cannot do without.

        Raises:
            StartupError: it is not set; says where to get it.
        """
        secret = getattr(self, name.lower())
        if not isinstance(secret, SecretStr) or not secret.get_secret_value().strip():
            raise StartupError(f"{name} is not set: {WHERE_TO_GET[name]}.", usage=True)
        return secret.get_secret_value().strip()


class GivenSettings(Settings):
    """Settings that the environment cannot change: for the demo and the tests."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


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
    for shard_id in settings.shard_ids:
        if settings.shard_count is None or not 0 <= shard_id < settings.shard_count:
            raise StartupError(
                "SHARD_IDS is wrong: each must be below SHARD_COUNT, which must be set.", usage=True
            )
    return settings
