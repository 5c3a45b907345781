"""API keys of applications, and the workspace's provider keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr

from models import Answer, Name, ProviderName, Request, Row, Scope, Time, printable
from schemas.refusals import RefusedRequests


class ApiKeyIn(Request):
    """A new API key for an application."""

    name: Name = Field(examples=["search backend"])
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3), AfterValidator(lambda s: sorted(set(s)))] = Field(
        ["events:write"], description="events:write sends events; read has the rights of a viewer; admin has all rights"
    )
    project: Name | None = Field(None, description="Name or id of the default project for events")
    expires_at: Time | None = Field(None, description="Expiry; never expires if omitted")


class KeyName(Request):
    """A new name for a key."""

    name: Name


class ApiKey(Answer):
    """An API key without its secret."""

    id: UUID
    name: str
    last_four: str
    scopes: list[Scope]
    project: str | None
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute")
    refused: list[RefusedRequests] = Field(
        description="Requests that limits have refused in the last 24 hours; updated every few seconds"
    )


class NewApiKey(ApiKey):
    """A new API key. The key is shown only once."""

    key: str = Field(examples=["llmlab_sk_..."])


class ApiKeys(Answer):
    """API keys that are not revoked, newest first."""

    keys: list[ApiKey]


# Provider keys


class ProviderKeyIn(Request):
    """A new provider key."""

    provider: ProviderName = Field(examples=["openai"])
    name: Name = Field("default", description="Distinguishes several keys of one provider")
    key: Annotated[SecretStr, Field(min_length=8, max_length=4096), AfterValidator(printable)] = Field(
        description="Stored encrypted and never shown again", json_schema_extra={"pattern": "^[ -~]*$"}
    )


class ProviderKey(Answer):
    """A provider key; only its last four characters are shown."""

    id: UUID
    provider: str
    name: str
    last_four: str
    created_by: UUID
    created_at: datetime


class ProviderKeys(Answer):
    """Provider keys, by provider and name."""

    keys: list[ProviderKey]


# Internal values, never sent to a caller


class KeyIdentity(Row):
    """The workspace and the rights of an API key."""

    id: UUID
    workspace_id: UUID
    created_by: UUID
    scopes: list[Scope]
    project: str | None


class SealedKey(Row):
    """A provider key in its encrypted form."""

    id: UUID
    ciphertext: str
