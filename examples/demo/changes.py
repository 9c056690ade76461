"""The last scene: a watcher follows two segments and a score while customers are written to."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from examples.demo.terminal import DemoFailed, Terminal
from strata.client import Client
from strata.watching import watch

__all__ = ["changing_customers"]

_PROMOTE = "examples/demo/promote.py"
_WATCHED = ("decision_maker", "hot_lead")
_SCORE = "lead"
_WAIT_S = 30.0
_STOP_S = 5.0


def changing_customers(terminal: Terminal, server: str) -> None:
    """Who enters and leaves, as it happens; what was written, in the next count."""
    at = ("--server", server)
    terminal.heading("Three who decide nothing yet, in the industries that we look for")
    told = terminal.run(
        "list",
        "segment('target_industry') and title = '分析师' and not tag = 'partner'"
        " and score('lead') between 20 and 39",
        "--ids", "person", "--limit", "3", "--salt", "demo", *at,
    )  # fmt: skip
    people = told.split()
    if not people:
        terminal.say("There is nobody like that among so few.")
        return
    terminal.heading("Somebody watches two segments and a score, while they are promoted")
    with _watching(terminal, server) as lines:
        terminal.run_python(_PROMOTE, server, *people)
        terminal.say("\nWhat the watcher has been told meanwhile:\n")
        # Each becomes a decision maker and a hot lead, and has more points; one leaves the hot
        # leads as a partner.
        count = 3 * len(people) + 1
        lines.wait(count)
        terminal.say("\n".join(lines.seen[:count]))
    # Where nothing can interrupt it, it was ended in another way, and says nothing more.
    if lines.seen[count:]:
        terminal.say("\nCtrl-C ends it. What it says last is for the next time:\n")
        terminal.say("\n".join(lines.seen[count:]))


@dataclass
class _Lines:
    """The lines of a process, as they come."""

    seen: list[str] = field(default_factory=list)
    _more: threading.Condition = field(default_factory=threading.Condition)

    def follow(self, process: subprocess.Popen[str]) -> None:
        """Keeps what the process says, until it ends."""
        assert process.stdout is not None
        for line in process.stdout:
            with self._more:
                self.seen.append(line.rstrip("\n"))
                self._more.notify_all()

    def wait(self, count: int) -> None:
        """Returns once there are so many; raises DemoFailed where they do not come."""
        with self._more:
            if not self._more.wait_for(lambda: len(self.seen) >= count, _WAIT_S):
                said = "\n".join(self.seen) or "nothing"
                raise DemoFailed(f"The watcher should say {count} lines, and says:\n{said}")


@contextlib.contextmanager
def _watching(terminal: Terminal, server: str) -> Iterator[_Lines]:
    """`strata watch` in a process of its own, which Ctrl-C ends."""
    arguments = ["watch", *_WATCHED, "--score", _SCORE, "--ids", "person", "--server", server]
    terminal.echo_command([*arguments, "&"])
    # A process takes a moment to start. From a place that is taken now it misses nothing.
    watcher = terminal.start(*arguments, "--from", _place(server))
    lines = _Lines()
    reader = threading.Thread(target=lines.follow, args=(watcher,), daemon=True)
    reader.start()
    try:
        yield lines
    finally:
        watcher.send_signal(signal.SIGINT)
        try:
            watcher.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            watcher.kill()
            watcher.wait()
        reader.join()
        assert watcher.stdout is not None
        watcher.stdout.close()


def _place(server: str) -> str:
    """The end of the feed, as a resume token: a watch begins with one."""
    with Client(server) as client, watch(client, _WATCHED, scores=[_SCORE]) as watching:
        return next(iter(watching)).resume_token
