"""Model files on disk."""

from __future__ import annotations

from pathlib import Path

from engine.errors import InputInvalid, Issue, ModelInvalid
from engine.limits import MODEL_BYTES

__all__ = ["read_model_files"]

_ENDINGS = (".yaml", ".yml")


def read_model_files(path: str | Path) -> dict[str, str]:
    """The texts of a model file, or of all .yaml and .yml files of a folder, by file name.

    The files of a folder come in the order of their names; its subfolders and hidden files
    are left out. Raises InputInvalid where there is nothing to read or it cannot be read,
    ModelInvalid where a file is not UTF-8.
    """
    path = Path(path)
    try:
        chosen = _model_files(path)
        if sum(file.stat().st_size for file in chosen) > MODEL_BYTES:
            raise InputInvalid(f"the model at {path} is larger than {MODEL_BYTES >> 20} MiB")
        contents = {file.name: file.read_bytes() for file in chosen}
    except FileNotFoundError:
        raise InputInvalid(f"there is no model file or folder at {path}") from None
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputInvalid(f"the model at {path} cannot be read: {cause}") from None
    issues: list[Issue] = []
    texts = {name: _decoded(name, content, issues) for name, content in contents.items()}
    if issues:
        raise ModelInvalid(*issues)
    return texts


def _model_files(path: Path) -> list[Path]:
    if path.is_dir():
        chosen = sorted(
            (
                file
                for file in path.iterdir()
                if file.suffix in _ENDINGS and not file.name.startswith(".") and not file.is_dir()
            ),
            key=lambda file: file.name,
        )
        if not chosen:
            raise InputInvalid(f"the folder {path} holds no .yaml or .yml file")
    else:
        path.stat()
        chosen = [path]
    for file in chosen:
        if not file.is_file():
            raise InputInvalid(f"{file} is not a file that can be read as a model")
    return chosen


def _decoded(name: str, content: bytes, issues: list[Issue]) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        issues.append(
            Issue("the file is not UTF-8", where=name, line=line, hint=_encoding_hint(content))
        )
        return ""


def _encoding_hint(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it looks like UTF-16: save it as UTF-8"
    try:
        content.decode("gb18030")
    except UnicodeDecodeError:
        return "save it as UTF-8"
    return "it looks like GB18030: save it as UTF-8"
