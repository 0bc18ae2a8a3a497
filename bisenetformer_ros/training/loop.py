"""The training loop, which can be stopped and continued at any time."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from torch.utils.data import DataLoader

from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.errors import BiSeNetFormerError, ConfigError
from bisenetformer_ros.inference.engines.denormals import flush_denormals
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.distributed import World, gather, largest, wait_for_all
from bisenetformer_ros.training.learner import Learner
from bisenetformer_ros.training.observers import TrainingObserver
from bisenetformer_ros.training.run_state import RunState
from bisenetformer_ros.training.stream import Batch, BatchPositions, TrainingStream, begin_worker, collate
from bisenetformer_ros.training.validation import Validation

SAVE_EVERY = 200
"""Iterations between saves of the run state; a kill costs at most this much work."""


@contextmanager
def deferred_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in the yielded list instead of being interrupted; for the main thread."""
    signals: list[int] = []

    def note(number: int, frame: object) -> None:
        signals.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Trainer:
    """One run. After a kill, the iterations since the last save are repeated, and observed again.

    Args:
        config: The recipe. Raises ConfigError if its batch size does not fit the number of processes.
        model: The network, trained in place.
        datasets: One per source of the recipe, with the same labels.
        run_state: The file to save to.
        world: The processes of the run.
        validation: None for a run without validation.
    """

    def __init__(
        self,
        config: TrainingConfig,
        model: BiSeNetFormer,
        datasets: Sequence[LabeledDataset],
        run_state: RunState,
        world: World,
        validation: Validation | None = None,
    ) -> None:
        parts = world.size * config.accumulate
        if config.batch_size % parts or config.batch_size < 2 * parts:
            raise ConfigError(
                f"batch_size is {config.batch_size}, expected a multiple of {parts} ({world.size} processes times "
                f"accumulate {config.accumulate}) with at least 2 images for each part"
            )
        self.config = config
        self.world = world
        self.learner = Learner(config, model, len(datasets[0].labels), world)
        self.stream = TrainingStream(config, datasets)
        self.validation = validation
        self.run_state = run_state
        self.iteration = 0
        self.seconds = 0.0

    @property
    def is_finished(self) -> bool:
        return self.iteration >= self.config.iterations

    def run(self, num_workers: int, observers: Sequence[TrainingObserver] = ()) -> int | None:
        """Train to the end of the run; SIGINT and SIGTERM finish the step, save and stop.

        Args:
            num_workers: Processes that load images.
            observers: Notified of every iteration and validation.

        Returns:
            None, or the signal that stopped the run.

        Raises:
            DivergedError: The loss is not finite.
            RunStateError: The disk is full.
            DataError: A file of a data set is corrupt.
        """
        if self.world.device.type == "cpu":
            flush_denormals()
        with deferred_signals() as signals:
            self._validate_if_due(observers)  # skipped when the run was stopped
            waiting_since = perf_counter()
            for batch in self._batches(num_workers):
                self._step(batch, waiting_since, observers)
                stopped_by = largest(max(signals, default=0), self.world.device)
                validated = not stopped_by and self._validate_if_due(observers)
                if stopped_by or validated or self.is_finished or self.iteration % SAVE_EVERY == 0:
                    self.save()
                if stopped_by and not self.is_finished:
                    return stopped_by
                waiting_since = perf_counter()
        return None

    def _batches(self, num_workers: int) -> Iterator[Batch]:
        config, world = self.config, self.world
        positions = BatchPositions(self.iteration, config.iterations, config.batch_size, world.rank, world.size)
        loader = DataLoader(
            self.stream,
            batch_sampler=positions,
            num_workers=num_workers,
            collate_fn=collate,
            worker_init_fn=begin_worker,
            pin_memory=world.device.type == "cuda",
        )
        for batch in loader:
            if isinstance(batch, BiSeNetFormerError):
                raise batch
            yield batch

    def _step(self, batch: Batch, waiting_since: float, observers: Sequence[TrainingObserver]) -> None:
        started = perf_counter()
        record = self.learner.step(batch, self.iteration)
        ended = perf_counter()
        self.iteration += 1
        self.seconds += ended - waiting_since
        record |= {"data_s": started - waiting_since, "step_s": ended - started}
        for observer in observers:
            observer.on_iteration(self.iteration, record)

    def _validate_if_due(self, observers: Sequence[TrainingObserver]) -> bool:
        if self.validation is None or not self.validation.is_due(self.iteration, self.is_finished):
            return False
        record = self.validation.measure(self.learner.final_model, self.iteration)
        for observer in observers:
            observer.on_validation(self.iteration, record)
        self.validation.last_iteration = self.iteration
        wait_for_all()
        return True

    def save(self) -> None:
        """Save the run state in the main process; a no-op in the others."""
        if not self.world.is_main:
            return
        validation = None if self.validation is None else self.validation.state_dict()
        progress = {"iteration": self.iteration, "seconds": self.seconds, "validation": validation}
        self.run_state.save({**progress, "learner": self.learner.state_dict()})

    def resume(self) -> bool:
        """Continue from the saved state, if any; return whether iterations were done before.

        Raises:
            RunStateError: The file is corrupt.
            ConfigError: It belongs to another recipe, or the processes see different states.
        """
        if self.run_state.exists():
            state = self.run_state.load(self.world.device)
            self.learner.load_state_dict(state["learner"])
            if self.validation is not None:
                self.validation.load_state_dict(state["validation"])
            self.iteration, self.seconds = state["iteration"], state["seconds"]
        iterations = gather(self.iteration)
        if len(set(iterations)) > 1:
            raise ConfigError(
                f"the processes found states of the iterations {', '.join(map(str, iterations))}: --out must be one "
                "folder that all of them share"
            )
        return self.iteration > 0
