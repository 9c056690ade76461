"""Settings of deliveries, their secrets and waits: what is taken, and what is refused how."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.backoff import Backoff
from delivery.failures import DeliveryRefused
from delivery.settings import Endpoint, load_settings
from delivery.signing import read_secret

URL = "https://crm.example/hooks"
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


@given(
    first_s=st.floats(0.001, 100),
    times=st.floats(1, 1000),
    failures=st.integers(1, 5000),
    asked_s=st.none() | st.floats(0, 1e9),
)
def test_waits_are_within_their_bounds(
    first_s: float, times: float, failures: int, asked_s: float | None
) -> None:
    most_s = first_s * times
    whole_s = first_s
    for _ in range(min(failures - 1, 100)):
        whole_s = min(2 * whole_s, most_s)
    wait_s = Backoff(first_s, most_s).wait_s(failures, asked_s)
    least_s = max(whole_s / 2, min(asked_s or 0, most_s))
    assert least_s * (1 - 1e-9) <= wait_s <= max(whole_s, least_s) * (1 + 1e-9)


def test_waits_differ() -> None:
    assert len({Backoff().wait_s(5) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ({}, "endpoints.crm.url: Field required"),
        ({"url": "crm.example"}, "is no URL of a web server; write https://HOST/PATH"),
        ({"url": "ftp://crm.example"}, "is no URL of a web server"),
        ({"url": "http://x:port/"}, "is no URL (Invalid port"),
        ({"url": "http://crm.example/x"}, "can be read on the way; use https"),
        ({"url": URL, "uri": 3}, "endpoints.crm.uri: Extra inputs are not permitted"),
        ({"url": URL, "batch": 0}, "endpoints.crm.batch"),
        ({"url": URL, "batch": 1001}, "endpoints.crm.batch"),
        ({"url": URL, "attempts": 0}, "endpoints.crm.attempts"),
        ({"url": URL, "timeout_s": 0}, "endpoints.crm.timeout_s"),
        ({"url": URL, "first_wait_s": 9, "most_wait_s": 8}, "first_wait_s is greater"),
        ({"url": URL, "secret_file": "x", "secret_env": "X"}, "secret_file or secret_env"),
    ],
)
def test_wrong_endpoints(endpoint: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused) as caught:
        load_settings(None, state=tmp_path, endpoints={"crm": endpoint})
    assert reason in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8/x", "http://localhost", "http://[::1]:9/"])
def test_http_on_this_machine_alone(url: str) -> None:
    assert Endpoint(url=url).url == url
    assert Endpoint(url="http://crm.example", insecure=True).insecure


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65])
def test_names_are_parts_of_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused, match="endpoints"):
        load_settings(None, state=tmp_path, endpoints={name: {"url": URL}})


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "deliveries.toml"
    with pytest.raises(DeliveryRefused, match=r"deliveries\.toml cannot be read"):
        load_settings(file)
    file.write_text("state = ")
    with pytest.raises(DeliveryRefused, match=r"deliveries\.toml cannot be read"):
        load_settings(file)
    file.write_text('state = "here"\n')
    with pytest.raises(DeliveryRefused, match="endpoints: Field required"):
        load_settings(file)
    file.write_text(f'state = "here"\n[endpoints.crm]\nurl = "{URL}"\n[endpoints.b]\nurl = "{URL}"')
    settings = load_settings(file, state=tmp_path)
    assert (settings.state, list(settings.endpoints)) == (tmp_path, ["crm", "b"])
    assert settings.endpoints["crm"] == Endpoint(url=URL)


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRATA_WEBHOOK_SECRET", raising=False)
    file = tmp_path / "secrets"
    from_file = Endpoint(url=URL, secret_file=file)
    assert Endpoint(url=URL).secrets() == ()
    with pytest.raises(DeliveryRefused, match="cannot be read"):
        from_file.secrets()
    file.write_text("\n")
    with pytest.raises(DeliveryRefused, match="There is no secret in the file"):
        from_file.secrets()
    file.write_text(f"\n  {SECRET}\n{SECRET}\n")
    assert from_file.secrets() == (bytes(range(24)),) * 2
    monkeypatch.setenv("STRATA_WEBHOOK_SECRET", SECRET)
    assert Endpoint(url=URL).secrets() == (bytes(range(24)),)
    with pytest.raises(DeliveryRefused, match="There is no secret in the variable OTHER"):
        Endpoint(url=URL, secret_env="OTHER").secrets()
    monkeypatch.setenv("STRATA_WEBHOOK_SECRET", "hunter2")
    with pytest.raises(DeliveryRefused, match="does not begin with whsec_") as caught:
        Endpoint(url=URL).secrets()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 23, 65])
def test_secrets_of_a_wrong_size(size: int) -> None:
    with pytest.raises(ValueError, match=f"has {size} bytes; write whsec_ and the base64 of 24"):
        read_secret("whsec_" + base64.b64encode(bytes(size)).decode())


def test_secrets_that_are_none() -> None:
    with pytest.raises(ValueError, match="not base64"):
        read_secret("whsec_ä" * 12)
    for size in (24, 64):
        assert len(read_secret("whsec_" + base64.b64encode(bytes(size)).decode())) == size
