"""The settings of the server, read from the environment and `.env`. `.env.example` documents each."""

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Road = Literal["embedded", "postgres", "supabase"]

# File that marks the data folder of a demo.
DEMO_MARK = "DEMO"
DASHBOARD = Path(__file__).parent / "dashboard" / "dist"


class Settings(BaseSettings):
    """The settings. Each field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    debug: bool = False
    app_version: str = "0.1.0"
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    workers: int = Field(1, ge=1, le=64)
    data_dir: Path = Path("data")

    database_url: SecretStr | None = None
    supabase_url: str | None = None
    supabase_key: SecretStr | None = None

    secret_key: SecretStr | None = Field(None, validation_alias=AliasChoices("secret_key", "jwt_secret"))
    algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    access_token_expire_minutes: int = Field(30, ge=1, le=1440)
    refresh_token_expire_days: int = Field(30, ge=1, le=365)

    encryption_key: SecretStr | None = None

    cors_origins: Annotated[list[str], NoDecode] = []
    metrics_token: SecretStr | None = None
    redis_url: SecretStr | None = None
    rate_limit_per_minute: int = Field(100, ge=0)
    user_rate_limit_per_minute: int = Field(3_000, ge=0)
    ingest_events_per_minute: int = Field(1_000_000, ge=0)
    ingest_bytes_per_minute: int = Field(1_000_000_000, ge=0)

    allow_private_webhooks: bool = False
    public_url: str | None = None
    dashboard: Literal["on", "off"] = "on"

    openai_api_key: SecretStr | None = None
    anthropic_api_key: SecretStr | None = None
    google_api_key: SecretStr | None = None

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_secrets(self) -> Self:
        if self.secret_key is not None and len(self.secret_key.get_secret_value()) < 32:
            raise ValueError("SECRET_KEY must have at least 32 characters")
        if any(len(key) < 32 for key in self._own_encryption_keys()):
            raise ValueError("ENCRYPTION_KEY must have at least 32 characters; so must each of several keys")
        token = self.metrics_token.get_secret_value() if self.metrics_token else None
        if token is not None and not (
            len(token) >= 16 and token.isascii() and token.isprintable() and " " not in token
        ):
            raise ValueError("METRICS_TOKEN must have at least 16 printable ASCII characters without spaces")
        if self.secret_key is None and self.road != "embedded":
            raise ValueError(
                "SECRET_KEY is required unless the database is embedded; it must have at least 32 characters"
            )
        if (self.supabase_url is None) != (self.supabase_key is None):
            raise ValueError("SUPABASE_URL and SUPABASE_KEY must be set together")
        return self

    @property
    def road(self) -> Road:
        """The road to the database. DATABASE_URL overrides Supabase's REST API, which is several times slower."""
        if self.database_url is not None:
            return "postgres"
        return "supabase" if self.supabase_url is not None else "embedded"

    @property
    def link(self) -> str:
        """The URL of this server for people: PUBLIC_URL, or else the address it listens on."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def site(self) -> Path | None:
        """The folder of the dashboard; None if it is off or not built."""
        return DASHBOARD if self.dashboard == "on" and (DASHBOARD / "index.html").exists() else None

    @property
    def holds_demo(self) -> bool:
        """Whether the data folder belongs to a demo."""
        return self.road == "embedded" and (self.data_dir / DEMO_MARK).exists()

    def encryption_keys(self) -> list[str]:
        """The keys that secrets are encrypted with, newest first: those of ENCRYPTION_KEY, then the signing key."""
        return [*self._own_encryption_keys(), self.signing_key()]

    def _own_encryption_keys(self) -> list[str]:
        value = self.encryption_key.get_secret_value() if self.encryption_key else ""
        return [key.strip() for key in value.split(",") if key.strip()]

    def signing_key(self) -> str:
        """SECRET_KEY. On the embedded road it is optional: one is generated and stored in DATA_DIR (mode 0600)."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        path = self.data_dir / "secret_key"
        if not path.exists():
            # Written to a draft and linked into place, so that one of several workers that start at once creates it.
            draft = path.with_name(f"secret_key.{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(48))
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text()


def read_settings(**fixed: Any) -> Settings:
    """The settings, with fixed values for some. Exits with a message if one is not valid."""
    try:
        return Settings(**fixed)
    except ValidationError as error:
        sys.exit("Cannot start: " + "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors()))


def announce(settings: Settings) -> None:
    """Prints the addresses of the server and the location of its data."""
    data = {
        "embedded": f"{settings.data_dir.resolve()} (embedded Postgres)",
        "postgres": "the Postgres of DATABASE_URL",
        "supabase": f"the Supabase project at {settings.supabase_url}",
    }[settings.road]
    address = f"http://{settings.host}:{settings.port}"
    reason = "not built" if settings.dashboard == "on" else "DASHBOARD is off"
    lines = {
        "dashboard": address if settings.site else f"not served: {reason}",
        "API": address,
        "docs": f"{address}/docs",
        "data": data,
    }
    print(
        "\n".join([f"LLMLab {settings.app_version}", *(f"  {name:9}  {line}" for name, line in lines.items())]),
        flush=True,
    )
