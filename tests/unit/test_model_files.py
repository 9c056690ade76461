"""Reading model files from disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import InputInvalid, ModelInvalid
from engine.limits import MODEL_BYTES
from engine.model.files import read_model_files


def test_a_file_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("b: 行业", encoding="utf-8")
    (tmp_path / "a.yml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    (tmp_path / ".hidden.yaml").write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.yaml").mkdir()
    assert read_model_files(tmp_path / "b.yaml") == {"b.yaml": "b: 行业"}
    found = read_model_files(str(tmp_path))
    assert found == {"a.yml": "a: 1\r\n", "b.yaml": "b: 行业"}
    assert list(found) == ["a.yml", "b.yaml"]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match=r"no model file or folder at .*missing\.yaml$"):
        read_model_files(tmp_path / "missing.yaml")
    with pytest.raises(InputInvalid, match=r"holds no \.yaml or \.yml file$"):
        read_model_files(tmp_path)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputInvalid, match=r"pipe\.yaml is not a file that can be read"):
        read_model_files(tmp_path / "pipe.yaml")
    with pytest.raises(InputInvalid, match="cannot be read: Not a directory"):
        read_model_files(tmp_path / "pipe.yaml" / "x.yaml")
    with pytest.raises(InputInvalid, match="cannot be read: "):
        read_model_files("a\0b")


def test_too_large(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(b"#" * (MODEL_BYTES + 1))
    with pytest.raises(InputInvalid, match="is larger than 4 MiB"):
        read_model_files(tmp_path / "m.yaml")


@pytest.mark.parametrize(
    ("encoding", "hint"),
    [
        ("gb18030", "it looks like GB18030: save it as UTF-8"),
        ("utf-16", "it looks like UTF-16: save it as UTF-8"),
    ],
)
def test_another_encoding(tmp_path: Path, encoding: str, hint: str) -> None:
    (tmp_path / "m.yaml").write_bytes("a: 1\nb: 行业\n".encode(encoding))
    with pytest.raises(ModelInvalid) as caught:
        read_model_files(tmp_path / "m.yaml")
    (issue,) = caught.value.issues
    line = 2 if encoding == "gb18030" else 1
    assert str(issue) == f"m.yaml, line {line}: the file is not UTF-8 ({hint})"


def test_no_encoding_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\n\xff")
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    with pytest.raises(ModelInvalid) as caught:
        read_model_files(tmp_path)
    assert [str(issue) for issue in caught.value.issues] == [
        "a.yaml, line 2: the file is not UTF-8 (save it as UTF-8)",
        "b.yaml, line 1: the file is not UTF-8 (save it as UTF-8)",
    ]
