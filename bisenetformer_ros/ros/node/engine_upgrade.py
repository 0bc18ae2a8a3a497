"""A faster engine for frames of one size, made and opened while the node works with another one."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait

import numpy as np

from bisenetformer_ros.errors import BiSeNetFormerError
from bisenetformer_ros.in_thread import in_thread
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.upgrades import Arguments, Upgrade, shell
from bisenetformer_ros.ros.node.background_command import BackgroundCommand

LOOK_PERIOD_S = 5.0
"""How often it looks for files that somebody may have made by hand."""
GREY = 128


class EngineUpgrade:
    """engine: open and warm; None until then. problem: why it does not serve yet and what to do, for people."""

    def __init__(
        self, upgrade: Upgrade, frame_size: tuple[int, int], may_build: Callable[[], bool], log: Callable[[str], None]
    ) -> None:
        """may_build: whether commands may be run. log: takes the lines that they write."""
        self.engine: Engine | None = None
        self.problem = ""
        self._upgrade, self._frame_size = upgrade, frame_size
        self._may_build, self._log = may_build, log
        self._reason = f"{upgrade.path.name} is missing"
        self._tried: list[Arguments] = []
        self._command: BackgroundCommand | None = None
        self._opening: Future[Engine] | None = None
        self._story = self._tell()

    def update(self) -> bool:
        """Goes on without waiting; to be called now and then, in the main thread. False when there is no more to do."""
        return next(self._story, "the end") != "the end"

    def close(self) -> None:
        """Ends what is under way."""
        self._story.close()
        if self._command is not None:
            self._command.stop()
        if self._opening is not None:
            wait([self._opening])

    def _tell(self) -> Iterator[None]:
        """All that happens, from beginning to end; a `yield` wherever there is to wait."""
        refused_at = None
        while self.engine is None:
            commands = self._upgrade.commands(path_is_bad=refused_at is not None and refused_at == self._changed_at())
            if not commands:
                refused_at = self._changed_at()
                yield from self._open()
            elif not self._may_build():
                self._explain(f"{self._reason}; run `{shell(commands)}`, or set build_engine to have the node do it")
                yield from _pause(LOOK_PERIOD_S)
            elif commands[0] in self._tried:
                return
            else:
                self._tried.append(commands[0])
                yield from self._run(commands[0])

    def _open(self) -> Iterator[None]:
        self._explain("it is being opened")
        self._opening = in_thread(self._open_warm, f"opening {self._upgrade.engine}")
        while not self._opening.done():
            yield
        error = self._opening.exception()
        if error is None:
            self.engine, self.problem = self._opening.result(), ""
            return
        self._reason = str(error) if isinstance(error, BiSeNetFormerError) else f"{type(error).__name__}: {error}"
        self._explain(self._reason)

    def _open_warm(self) -> Engine:
        engine = self._upgrade.open()
        engine.segment([np.full((*self._frame_size, 3), GREY, np.uint8)], 0.5, 0.5)
        return engine

    def _run(self, arguments: Sequence[str]) -> Iterator[None]:
        begin = time.monotonic()
        try:
            self._command = BackgroundCommand(arguments, self._log)
        except OSError as error:  # the machine has no room for another process
            self._explain(f"`{shell([arguments])}` could not be started: {error}")
            return
        while (code := self._command.exit_code()) is None:
            self._explain(f"`{shell([arguments])}` has been at work for {time.monotonic() - begin:.0f} s")
            yield
        self._reason = f"`{shell([arguments])}` ended with {_ending(code)}: {self._command.last_words()}"
        self._explain(self._reason)

    def _explain(self, reason: str) -> None:
        self.problem = f"{self._upgrade.engine} does not serve yet: {reason}"

    def _changed_at(self) -> int | None:
        """When the file was written that the engine runs, in ns; None if it is not there."""
        path = self._upgrade.path
        return path.stat().st_mtime_ns if path.is_file() else None


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def _pause(seconds: float) -> Iterator[None]:
    due = time.monotonic() + seconds
    while time.monotonic() < due:
        yield
