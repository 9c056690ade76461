"""Settings: where they come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.failures import StartRefused
from server.settings import load_settings, split_address


def test_sources_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "strata.toml"
    config.write_text('store = "from-file"\nlisten = "127.0.0.1:1"\ndrain_s = 3\n')
    monkeypatch.setenv("STRATA_LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("STRATA_EVALUATION_SLOTS", "9")
    settings = load_settings(config, listen=None, evaluation_slots=11)
    assert settings.store == Path("from-file")
    assert settings.listen == "127.0.0.1:2"
    assert settings.evaluation_slots == 11
    assert settings.drain_s == 3
    monkeypatch.setenv("STRATA_CONFIG", str(config))
    assert load_settings().store == Path("from-file")


def test_faults_are_one_paragraph(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("listen = = 1")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('store = "s"\nevaluation_slots = 0\nlisten = "nowhere"\n')
    for config, told in (
        (tmp_path / "absent.toml", "no settings file"),
        (broken, "not TOML"),
        (wrong, "evaluation_slots"),
        (wrong, "HOST:PORT"),
        (None, "store: Field required"),
    ):
        with pytest.raises(StartRefused, match=told) as caught:
            load_settings(config)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("listen", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("example.org:1", False),
    ],
)
def test_loopback(listen: str, loopback: bool) -> None:
    assert load_settings(store="s", listen=listen).on_loopback is loopback


@pytest.mark.parametrize("text", ["", ":1", "host", "host:", "host:x", "host:65536", "host:-1"])
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        split_address(text)
