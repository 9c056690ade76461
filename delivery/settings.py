"""What can be set about deliveries: one TOML file, with a table for each endpoint.

state = "/var/lib/strata/deliveries"

[endpoints.crm]
url = "https://crm.example/hooks/strata"
secret_file = "/etc/strata/crm.secret"
segments = ["high_value"]
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import httpx
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from delivery.failures import DeliveryRefused
from delivery.signing import read_secret

__all__ = ["DeliverySettings", "Endpoint", "load_settings"]

# It is part of the names of files.
EndpointName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
SECRET_VARIABLE = "STRATA_WEBHOOK_SECRET"


class Endpoint(BaseModel):
    """One receiver of changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="Where changes are posted; https, or http on this machine.")
    # Whoever can read the network could read profiles, so http elsewhere has to be asked for.
    insecure: bool = Field(False, description="Allow http to other machines.")
    secret_file: Path | None = Field(
        None, description="Secrets to sign with, one a line: the one in use first."
    )
    secret_env: str | None = Field(
        None, description=f"The variable with them instead; {SECRET_VARIABLE} where it is set."
    )
    segments: tuple[str, ...] = Field(
        (), description="Only these; where nothing is named, all that are kept."
    )
    scores: tuple[str, ...] = Field((), description="Changes of the bands of these scores.")
    tiers: tuple[str, ...] = Field((), description="Changes of these tiers.")
    tags: tuple[str, ...] = Field((), description="Who gets and loses these tags.")
    actions: tuple[str, ...] = Field((), description="What these actions ask for.")
    points: tuple[str, ...] = Field((), description="Each change of the points of these scores.")
    identifier_kind: str = Field("", description="Send each profile's identifiers of this kind.")
    from_start: bool = Field(
        False, description="Begin with the oldest change that is kept, at the first start."
    )
    # A receiver has a round trip for each delivery; a hundred changes are some 30 KB.
    batch: int = Field(100, ge=1, le=1000, description="Changes of one delivery at most.")
    connect_timeout_s: float = Field(5.0, gt=0, le=600)
    # Of the whole answer, however it trickles in.
    timeout_s: float = Field(30.0, gt=0, le=600)
    # With waits that double from 1 s up to 5 minutes, 20 attempts take about an hour.
    attempts: int = Field(20, ge=1, le=1000, description="Then a delivery is given up.")
    first_wait_s: float = Field(1.0, gt=0, le=3600)
    most_wait_s: float = Field(300.0, gt=0, le=86_400)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        try:
            url = httpx.URL(value)
        except httpx.InvalidURL as error:
            raise ValueError(f"is no URL ({error})") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("is no URL of a web server; write https://HOST/PATH")
        return value

    @model_validator(mode="after")
    def _safe(self) -> Endpoint:
        url = httpx.URL(self.url)
        if url.scheme == "http" and not self.insecure and not _is_here(url.host):
            raise ValueError(
                "what is posted to another machine by http can be read on the way; use https, or"
                " say insecure = true where the network itself keeps others out"
            )
        if self.secret_file is not None and self.secret_env is not None:
            raise ValueError("give secret_file or secret_env, not both")
        if self.first_wait_s > self.most_wait_s:
            raise ValueError("first_wait_s is greater than most_wait_s")
        return self

    def secrets(self) -> tuple[bytes, ...]:
        """The secrets to sign with; none where none are set. DeliveryRefused where they cannot be
        read; what they are is never said."""
        if self.secret_file is not None:
            where = f"the file {self.secret_file}"
            try:
                text = self.secret_file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise DeliveryRefused(f"The secrets in {where} cannot be read: {error}.") from None
        else:
            where = f"the variable {self.secret_env or SECRET_VARIABLE}"
            found = os.environ.get(self.secret_env or SECRET_VARIABLE)
            if found is None and self.secret_env is None:
                return ()
            text = found or ""
        try:
            secrets = tuple(read_secret(line) for line in text.split("\n") if line.strip())
        except ValueError as error:
            raise DeliveryRefused(f"In {where} {error}.") from None
        if not secrets:
            raise DeliveryRefused(f"There is no secret in {where}.")
        return secrets


class DeliverySettings(BaseModel):
    """Where the state of deliveries is kept, and the endpoints by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Path = Field(description="The folder of cursors and dead letters.")
    endpoints: dict[EndpointName, Endpoint] = Field(min_length=1)
    metrics: str | None = Field(None, description="HOST:PORT at which Prometheus finds metrics.")


def load_settings(config: Path | None, **given: Any) -> DeliverySettings:
    """Settings of a file and of what is given, which goes before it. DeliveryRefused where they are
    wrong."""
    held: dict[str, Any] = {}
    if config is not None:
        try:
            held = tomllib.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DeliveryRefused(f"The settings file {config} cannot be read: {error}.") from None
    try:
        return DeliverySettings(**{**held, **given})
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'settings'}: "
            f"{one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_url=False, include_input=False)
        )
        raise DeliveryRefused(f"The settings of deliveries are wrong: {faults}.") from None


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
