"""Where a load that is being sent to a server stands, in a file that lives as long as the load.

Each load has a partition of its own on the server, in which its records are numbered by their place
in the files. What is durable of it the server knows, and takes nothing twice; the file keeps the
name of the partition, which files these were, and what the server said of each batch. So the same
command, given again after a kill, goes on where the one before it ended; once a load is done the
file goes, and the command is a new load.

A line is a JSON object: the first says what is loaded, each other what became of the records up to
`through`. A line that is cut off at the end was never finished, and is not there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from engine.errors import AlreadyExists, InputInvalid
from engine.model.definitions import Source

__all__ = ["Answered", "Standing"]

VERSION = 1


@dataclass(slots=True)
class Answered:
    """What the server said of the records up to the number `through`; -1: of none.

    `offset` is the place in the server's log that contains them; `refused` are the reasons by
    record. A `gap` says that they are durable, and nothing else: its answer was lost.
    """

    through: int = -1
    accepted: int = 0
    created: int = 0
    blocked: int = 0
    offset: int = 0
    refused: dict[int, str] = field(default_factory=dict)
    gap: bool = False


class Standing:
    """A context manager. `answered` is what earlier runs of the load were told, by batch.

    `anew` forgets them. Raises InputInvalid where the files, or what the source says of them, have
    changed since, or the file cannot be kept; AlreadyExists while another run has it.
    """

    def __init__(
        self, server: str, source: Source, files: Sequence[Path], *, anew: bool = False
    ) -> None:
        names = [str(path.resolve()) for path in files]
        key = hashlib.sha256(json.dumps([server, source.name, names]).encode()).hexdigest()
        self.path = _folder() / f"{key[:32]}.jsonl"
        self.partition = f"load:{secrets.token_hex(8)}"
        self.answered: list[Answered] = []
        self._loads = {"source": repr(source), "files": [_look(path) for path in files]}
        self._file = self._locked()
        try:
            known = [] if anew else self._lines()
            if known:
                self._go_on(known[0], known[1:], names)
            else:
                self._file.truncate(0)
                self._write({"version": VERSION, "partition": self.partition, **self._loads})
                os.fsync(self._file.fileno())
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Standing:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Records whose answer was lost: behind a number, up to another."""
        befores = [-1, *(one.through for one in self.answered)]
        return [
            (behind, one.through)
            for behind, one in zip(befores, self.answered, strict=False)
            if one.gap
        ]

    def go_on_behind(self, durable: int) -> None:
        """Takes into account what the server says is durable (-1: nothing): an older copy of its
        store has forgotten what it said, and what it said last may not have arrived."""
        self.answered = [one for one in self.answered if one.through <= durable]
        if durable > (self.answered[-1].through if self.answered else -1):
            self.note(Answered(durable, gap=True))

    def note(self, answered: Answered) -> None:
        """Keeps what the server said of a batch."""
        self.answered.append(answered)
        self._write(asdict(answered))

    def finish(self) -> None:
        """The load is done: the same command is another load."""
        self.path.unlink(missing_ok=True)

    def _locked(self) -> IO[str]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise InputInvalid(
                f"Where the load stands cannot be kept in {self.path.parent} ({error.strerror}); "
                "name another folder with XDG_STATE_HOME."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise AlreadyExists(
                "These files are being loaded into this server by another process; wait for it."
            ) from None
        return file

    def _lines(self) -> list[Mapping[str, Any]]:
        self._file.seek(0)
        text = self._file.read()
        whole = text[: text.rfind("\n") + 1]
        if len(whole) < len(text):
            self._file.truncate(len(whole.encode()))
        return [json.loads(line) for line in whole.splitlines()]

    def _go_on(
        self, head: Mapping[str, Any], rest: Sequence[Mapping[str, Any]], names: Sequence[str]
    ) -> None:
        if head["version"] != VERSION or head["source"] != self._loads["source"]:
            raise InputInvalid(
                "The model says something else of this source than when a load of these files "
                "broke off. With --anew they are loaded from the first record on; events without "
                "an id that were taken before come twice then."
            )
        for name, was, now in zip(names, head["files"], self._loads["files"], strict=True):
            if was != now:
                raise InputInvalid(
                    f"{name} has changed since a load of it broke off. With --anew it is loaded "
                    "from its first record on; events without an id that were taken before come "
                    "twice then."
                )
        self.partition = head["partition"]
        for line in rest:
            refused = {int(number): reason for number, reason in line["refused"].items()}
            self.answered.append(Answered(**{**line, "refused": refused}))

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()


def _folder() -> Path:
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "strata" / "loads"


def _look(path: Path) -> list[int]:
    """What changes when a file does: its size and when it was written."""
    try:
        found = path.stat()
    except OSError as error:
        raise InputInvalid(f"{path} cannot be read ({error.strerror}).") from error
    return [found.st_size, found.st_mtime_ns]
