"""The training loop: batches in, checkpoints and weights out. It can be stopped at any time and continued."""

from collections.abc import Iterator, Sequence
from time import perf_counter

from torch.utils.data import DataLoader

from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.errors import BiSeNetFormerError, ConfigError
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.distributed import World, gather, largest, wait_for_all
from bisenetformer_ros.training.interruption import Interruption
from bisenetformer_ros.training.learner import Learner
from bisenetformer_ros.training.observer import Observer
from bisenetformer_ros.training.run_state import Checkpoint
from bisenetformer_ros.training.stream import Batch, BatchPositions, TrainingStream, begin_worker, collate
from bisenetformer_ros.training.validation import Validation

CHECKPOINT_EVERY = 200
"""Iterations between checkpoints; a kill costs at most this much work."""


class Trainer:
    """One run, whose newest state is in `checkpoint`.

    datasets: one per source of the recipe, with the same labels. validation: None to go without.
    After a kill the iterations since the checkpoint are done, and observed, again.
    """

    def __init__(
        self,
        config: TrainingConfig,
        model: BiSeNetFormer,
        datasets: Sequence[LabeledDataset],
        checkpoint: Checkpoint,
        world: World,
        validation: Validation | None = None,
    ) -> None:
        if config.batch_size % world.size or config.batch_size < 2 * world.size:
            raise ConfigError(
                f"batch_size is {config.batch_size}, expected a multiple of {world.size} (the processes) with at least "
                "2 images for each"
            )
        self.config = config
        self.world = world
        self.learner = Learner(config, model, len(datasets[0].labels), world)
        self.stream = TrainingStream(config, datasets)
        self.validation = validation
        self.checkpoint = checkpoint
        self.iteration = 0
        self.seconds = 0.0

    @property
    def is_finished(self) -> bool:
        return self.iteration >= self.config.iterations

    def run(self, num_workers: int, observers: Sequence[Observer] = ()) -> int | None:
        """Trains to the end from wherever the run stands; None, or the signal that stopped it before.

        SIGINT and SIGTERM let it finish the step and save. num_workers: processes that load images.
        Raises DivergedError for a loss that is not finite, CheckpointError for a disk that is full and DataError for a
        damaged file.
        """
        with Interruption() as interruption:
            self._validate_if_due(observers)  # a run that was stopped had no time for it
            waiting_since = perf_counter()
            for batch in self._batches(num_workers):
                self._step(batch, waiting_since, observers)
                stopped_by = largest(interruption.signal_number or 0, self.world.device)
                validated = not stopped_by and self._validate_if_due(observers)
                if stopped_by or validated or self.is_finished or self.iteration % CHECKPOINT_EVERY == 0:
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
        )
        for batch in loader:
            if isinstance(batch, BiSeNetFormerError):
                raise batch
            yield batch

    def _step(self, batch: Batch, waiting_since: float, observers: Sequence[Observer]) -> None:
        started = perf_counter()
        record = self.learner.step(batch, self.iteration)
        ended = perf_counter()
        self.iteration += 1
        self.seconds += ended - waiting_since
        record |= {"data_s": started - waiting_since, "step_s": ended - started}
        for observer in observers:
            observer.on_iteration(self.iteration, record)

    def _validate_if_due(self, observers: Sequence[Observer]) -> bool:
        """One process works, the others wait for it."""
        if self.validation is None or not self.validation.is_due(self.iteration, self.is_finished):
            return False
        if self.world.is_main:
            figures, pictures = self.validation.measure(self.learner.final_model, self.iteration)
            for observer in observers:
                observer.on_validation(self.iteration, figures, pictures)
        self.validation.last_iteration = self.iteration
        wait_for_all()
        return True

    def save(self) -> None:
        """Writes the checkpoint; every process calls it, one of them writes."""
        if not self.world.is_main:
            return
        validation = None if self.validation is None else self.validation.state_dict()
        progress = {"iteration": self.iteration, "seconds": self.seconds, "validation": validation}
        self.checkpoint.save({**progress, "learner": self.learner.state_dict()})

    def resume(self) -> bool:
        """Continues from the checkpoint if there is one; returns whether there was.

        Raises ConfigError when it was written with another recipe, or when not all processes see the same one.
        """
        if self.checkpoint.exists():
            state = self.checkpoint.load(self.world.device)
            self.learner.load_state_dict(state["learner"])
            if self.validation is not None:
                self.validation.load_state_dict(state["validation"])
            self.iteration, self.seconds = state["iteration"], state["seconds"]
        stands = gather(self.iteration)
        if len(set(stands)) > 1:
            raise ConfigError(
                f"the processes stand at the iterations {', '.join(map(str, stands))}: the directory of the run has to "
                "be one folder that all of them see"
            )
        return self.iteration > 0
