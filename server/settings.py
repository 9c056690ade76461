"""What can be set about a server, with defaults that serve a newcomer on loopback.

Each setting comes from the first of: the command line, the environment (`STRATA_` and the
name in capitals), one TOML file, the default.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any, cast

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from server.failures import StartRefused

__all__ = ["ServerSettings", "load_settings", "split_address"]

MIB = 1 << 20


class ServerSettings(BaseSettings):
    """Settings of one server."""

    model_config = SettingsConfigDict(env_prefix="STRATA_", extra="ignore", frozen=True)

    store: Path = Field(description="Folder of the store.")
    listen: str = Field("127.0.0.1:7411", description="HOST:PORT; port 0 takes a free one.")
    insecure: bool = Field(False, description="Allow listening off loopback without TLS.")
    port_file: Path | None = Field(None, description="Where to write the port, once it listens.")

    # One evaluation uses every core that the engine was given, so a few at a time keep the
    # cores busy while one of them waits; more would only lengthen each.
    evaluation_slots: int = Field(4, ge=1, le=256)
    # Long enough for a burst, short enough that the last in the queue is still served soon.
    evaluation_queue: int = Field(64, ge=0, le=100_000)
    write_queue: int = Field(16, ge=0, le=100_000)
    # Batches that one stream may have unacknowledged. A commit takes some 10 ms, and a batch of
    # thousands of updates about as long to make and to send: a handful keeps each stage busy, the
    # rest rides out a slow commit.
    ingest_credits: int = Field(16, ge=1, le=10_000)
    # Bytes of batches that one stream may have unacknowledged: two of the largest messages, or some
    # seconds of 200,000 events each. Without it credits would allow 256 MiB for each stream.
    ingest_bytes: int = Field(32 * MIB, ge=1, le=1 << 40)
    # Batches decoded at a time. Decoding holds the interpreter for about half of its time, so two
    # threads fill it; the queue is short because whole batches wait in it.
    ingest_slots: int = Field(2, ge=1, le=64)
    ingest_queue: int = Field(64, ge=0, le=100_000)
    # Reads that may wait for a write to become visible. Each is a sleeping thread.
    visible_waits: int = Field(128, ge=1, le=10_000)
    # A write is visible milliseconds after it was acknowledged; a read that waits longer than
    # this names an offset that is not of this store.
    visible_wait_s: float = Field(10.0, ge=0.0, le=3600.0)
    # How long a reader may keep a list of members waiting before the rest is put into a file, in
    # `list_folder` or, by default, in TMPDIR or /var/tmp. What the list holds until then is copied
    # when updates change it.
    list_patience_s: float = Field(5.0, ge=0.0, le=3600.0)
    list_folder: Path | None = Field(None, description="Where slow lists are put.")
    # Threads of one evaluation; 0 takes one per core.
    threads: int = Field(0, ge=0, le=1024)

    # The longest expression has 1 MiB; 16 MiB hold a batch of long ones or a large model.
    message_bytes: int = Field(16 * MIB, ge=MIB, le=1024 * MIB)
    concurrent_streams: int = Field(256, ge=1, le=100_000)
    # How long calls may go on after the order to stop. Two seconds of ten are left for the last
    # answers and for saving, since whoever stops servers often kills after ten.
    drain_s: float = Field(8.0, ge=0.0, le=3600.0)

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        split_address(value)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment, then the TOML file."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        host, _ = split_address(self.listen)
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`; ValueError with a sentence otherwise."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is no address; write HOST:PORT, such as 127.0.0.1:7411")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host, int(port)


def load_settings(config: Path | None = None, **given: Any) -> ServerSettings:
    """Settings from what was given (None counts as not given), environment and `config`.

    `config` defaults to the file that STRATA_CONFIG names. StartRefused where a setting or the
    file is wrong.
    """
    named = os.environ.get("STRATA_CONFIG")
    config = config or (Path(named) if named else None)
    if config is not None and not config.is_file():
        raise StartRefused(f"There is no settings file {config}.")

    class Configured(ServerSettings):
        model_config = SettingsConfigDict(toml_file=config)

    values = {name: value for name, value in given.items() if value is not None}
    try:
        return cast(ServerSettings, Configured(**values))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False)
        )
        raise StartRefused(f"The server's settings are wrong: {faults}.") from None
    except ValueError as error:
        raise StartRefused(f"The settings file {config} is not TOML: {error}.") from None
