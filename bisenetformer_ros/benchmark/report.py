"""Results of a benchmark, and their JSON form."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bisenetformer_ros.benchmark.budget import Step
from bisenetformer_ros.benchmark.ceilings import Ceilings
from bisenetformer_ros.benchmark.contestants import Contestant
from bisenetformer_ros.benchmark.counts import NetworkCounts
from bisenetformer_ros.benchmark.rounds import Timing
from bisenetformer_ros.inference.agreement import Agreement
from bisenetformer_ros.inference.engines.capabilities import ENGINES
from bisenetformer_ros.results import STAGES


@dataclass(frozen=True)
class Spread:
    """Median and quartiles, interpolated linearly, which outliers hardly move; `count` measurements."""

    lower: float
    median: float
    upper: float
    count: int

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def spread(values: Sequence[float]) -> Spread:
    """Summarize at least one value."""
    lower, median, upper = np.percentile(values, (25, 50, 75))
    return Spread(float(lower), float(median), float(upper), len(values))


def speedup(reference: Sequence[float], values: Sequence[float]) -> Spread:
    """Summarize reference / value round by round, so that a slow round affects both sides."""
    return spread([before / after for before, after in zip(reference, values, strict=True)])


@dataclass(frozen=True)
class EngineEntry:
    """One contestant at one size; `peak_mib` is the peak memory of a process that does nothing else."""

    contestant: Contestant
    timings: tuple[Timing, ...]
    agreement: Agreement
    peak_mib: float

    @property
    def totals_ms(self) -> list[float]:
        return [timing.total_ms for timing in self.timings]

    def stage_ms(self, stage: str) -> Spread:
        return spread([getattr(timing.stages_ms, stage) for timing in self.timings])

    def ceiling_share(self, gmacs: float, ceilings: Ceilings) -> float | None:
        """Return the fraction of the peak rate in this precision that the network reaches, 0 to 1.

        This is a lower bound, since a graph does other work in the same stage. None for the authors' SDK, whose network
        has more arithmetic.
        """
        ceiling = ceilings.matmul_gmacs.get(self.contestant.precision)
        if self.contestant.engine not in ENGINES or ceiling is None:
            return None
        return gmacs / (self.stage_ms("inference").median / 1e3) / ceiling


@dataclass(frozen=True)
class SizeReport:
    """All contestants at one size.

    Attributes:
        frame_size: (height, width).
        counts: Of the network at this size.
        entries: The reference of speed first.
        left_out: Contestant → why it did not run.
        budget: Of `frame_budget`; empty on a CPU.
    """

    frame_size: tuple[int, int]
    counts: NetworkCounts
    entries: tuple[EngineEntry, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    budget: tuple[Step, ...] = ()

    @property
    def gmacs(self) -> float:
        """10⁹ multiply-accumulates of the network that the engines run."""
        return self.counts.folded_gmacs

    def speedup(self, entry: EngineEntry) -> Spread:
        """Return the speedup over the first entry."""
        return speedup(self.entries[0].totals_ms, entry.totals_ms)

    def to_dict(self, ceilings: Ceilings) -> dict[str, Any]:
        return {
            "frame_size": list(self.frame_size),
            "gmacs": self.gmacs,
            "unfolded_gmacs": self.counts.gmacs,
            "contestants": [self._entry_to_dict(entry, ceilings) for entry in self.entries],
            "left_out": dict(self.left_out),
            "budget": [{**step.to_dict(), "least_ms": step.least_ms(ceilings)} for step in self.budget],
        }

    def _entry_to_dict(self, entry: EngineEntry, ceilings: Ceilings) -> dict[str, Any]:
        return {
            "name": entry.contestant.name,
            "engine": entry.contestant.engine,
            "precision": entry.contestant.precision,
            "semantic_order": entry.contestant.semantic_order,
            "total_ms": spread(entry.totals_ms).to_dict(),
            "stages_ms": {stage: entry.stage_ms(stage).to_dict() for stage in STAGES},
            "speedup": self.speedup(entry).to_dict(),
            "ceiling_share": entry.ceiling_share(self.gmacs, ceilings),
            "agreement": entry.agreement.to_dict(),
            "peak_mib": entry.peak_mib,
        }


@dataclass(frozen=True)
class BenchmarkReport:
    """A whole benchmark.

    Attributes:
        architecture: Keywords of `build_model`.
        task_warning: May be empty.
        machine: Description of the machine by topic.
    """

    model: str
    architecture: Mapping[str, Any]
    weights: str
    task: str
    task_warning: str
    machine: Mapping[str, str]
    ceilings: Ceilings
    sizes: tuple[SizeReport, ...]

    @property
    def params_m(self) -> float:
        """10⁶ parameters."""
        return self.sizes[0].counts.params_m

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON types; times in milliseconds, rates in 10⁹ multiply-accumulates or bytes per second."""
        return vars(self) | {
            "architecture": dict(self.architecture),
            "params_m": self.params_m,
            "machine": dict(self.machine),
            "ceilings": self.ceilings.to_dict(),
            "sizes": [size.to_dict(self.ceilings) for size in self.sizes],
        }
