"""Whether the stamps of a camera run on: repeated, gone back, leapt ahead, or no time at all."""

from dataclasses import dataclass
from enum import Enum

from bisenetformer_ros.images.stamps import LEAP_S


class Order(Enum):
    """How a stamp follows those before it."""

    IN_ORDER = "in order"
    REPEATED = "repeated"
    WENT_BACK = "went back"
    LEAPT = "leapt"
    INVALID = "invalid"


@dataclass(frozen=True)
class _Moment:
    stamp_s: float
    arrival_s: float

    def leads_to(self, later: "_Moment") -> bool:
        """Whether `later` may be the next frame after this one, however long the camera has paused.

        Stamps that run ahead of the arrivals by more than LEAP_S are of another clock or another recording.
        """
        stamps, arrivals = later.stamp_s - self.stamp_s, later.arrival_s - self.arrival_s
        return 0 <= stamps <= arrivals + LEAP_S


class StampOrder:
    """Judges stamps one by one, so that a single wrong one is not held against the good ones that follow.

    A stamp is in order if it follows the last one that was, or the one just before it, whatever that was: a recording
    that begins anew, or a clock that was set, is out of order once.
    """

    def __init__(self) -> None:
        self._trusted: _Moment | None = None
        self._previous: _Moment | None = None

    def judge(self, stamp_s: float | None, arrival_s: float) -> Order:
        """stamp_s: by the camera's clock; None for what is no time. arrival_s: by a steady one."""
        if stamp_s is None:
            return Order.INVALID
        moment = _Moment(stamp_s, arrival_s)
        previous, self._previous = self._previous, moment
        if self._trusted is None or previous is None:
            self._trusted = moment
            return Order.IN_ORDER
        if self._trusted.leads_to(moment) or previous.leads_to(moment):
            self._trusted = moment
            return Order.REPEATED if stamp_s == previous.stamp_s else Order.IN_ORDER
        return Order.WENT_BACK if stamp_s < self._trusted.stamp_s else Order.LEAPT
