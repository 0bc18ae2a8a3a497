"""Pairs of plain objects; stamps in nanoseconds, a frame every 100 ms."""

from collections import Counter

import numpy as np
import pytest

from bisenetformer_ros.ros.projection.pairing import MAX_DEPTH_IMAGES, MAX_RESULTS, PERIOD_STAMPS, StampPairing

MS = 10**6
PERIOD = 100 * MS
START = 1_700_000_000 * 10**9
SEMANTIC = {"mask"}
PANOPTIC = {"mask", "panoptic", "segments"}


class Run:
    """Feeds a pairing; messages are their own stamps."""

    def __init__(self, needed=SEMANTIC):
        self.unpaired = Counter()
        self.pairing = StampPairing(lambda topic, reason: self.unpaired.update([(topic, reason)]))
        self.needed = needed

    def add(self, topic, stamp):
        """The stamps of mask and depth of the pair that is complete now."""
        pair = self.pairing.add(topic, stamp, stamp, self.needed)
        if pair is None:
            return None
        assert set(pair.parts) >= self.needed
        assert len(set(pair.parts.values())) == 1
        return pair.parts["mask"], pair.depth

    def learn_periods(self, frames=10, depth_every=1):
        """Frames with depth of the same stamps, until the periods are known; returns the next stamp."""
        for number in range(frames * depth_every):
            self.add("mask", START + number * PERIOD)
            if number % depth_every == 0:
                self.add("depth", START + number * PERIOD)
        self.unpaired.clear()
        return START + frames * depth_every * PERIOD


@pytest.mark.parametrize("order", [("mask", "depth"), ("depth", "mask")])
def test_equal_stamps_pair_in_either_order(order):
    run = Run()
    assert run.add(order[0], START) is None
    assert run.add(order[1], START) == (START, START)
    assert not run.unpaired


def test_a_result_waits_for_all_its_parts():
    run = Run(PANOPTIC)
    assert [run.add(topic, START) for topic in ("depth", "segments", "panoptic")] == [None] * 3
    assert run.add("mask", START) == (START, START)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("depth_first", [True, False])
@pytest.mark.parametrize(("difference", "pairs"), [(45 * MS, True), (55 * MS, False)])
def test_nearest_within_half_a_period(sign, depth_first, difference, pairs):
    run = Run()
    stamp = run.learn_periods()
    added = [("depth", stamp + sign * difference), ("mask", stamp)]
    for topic, at in added if depth_first else reversed(added):
        last = run.add(topic, at)
    assert last == ((stamp, stamp + sign * difference) if pairs else None)


def test_before_the_periods_are_known_stamps_have_to_be_equal():
    run = Run()
    run.add("depth", START + 1)
    assert run.add("mask", START) is None
    assert run.pairing.tolerance_ns == 0


def test_the_equal_stamp_comes_before_the_nearest():
    run = Run()
    stamp = run.learn_periods()
    run.add("depth", stamp - 10 * MS)
    run.add("depth", stamp)
    assert run.add("mask", stamp) == (stamp, stamp)
    assert run.unpaired == {("depth", "no_mask"): 1}


def test_depth_at_a_third_of_the_rate_pairs_with_every_third_mask():
    run = Run()
    stamp = run.learn_periods(depth_every=3)
    assert run.pairing.tolerance_ns == pytest.approx(50 * MS, rel=1e-3)
    pairs = []
    for number in range(12):
        if number % 3 == 1:
            pairs.append(run.add("depth", stamp + number * PERIOD + 20 * MS))
        pairs.append(run.add("mask", stamp + number * PERIOD))
    expected = [stamp + number * PERIOD for number in (1, 4, 7, 10)]
    assert [pair for pair in pairs if pair] == [(mask, mask + 20 * MS) for mask in expected]
    assert run.unpaired[("mask", "no_depth")] >= 6


def test_depth_images_wait_while_the_network_works():
    """Ten depth images arrive before the mask of the first; nine of them were for frames that were dropped."""
    run = Run()
    for number in range(20):
        run.add("depth", START + number * PERIOD)
    assert run.add("mask", START + 9 * PERIOD) == (START + 9 * PERIOD,) * 2
    assert run.unpaired == {("depth", "no_mask"): 9}


def test_what_waits_is_bounded_and_counted():
    run = Run()
    for number in range(MAX_DEPTH_IMAGES + 7):
        run.add("depth", START + number * PERIOD)
    assert run.unpaired == {("depth", "no_mask"): 7}
    run = Run()
    for number in range(MAX_RESULTS + 3):
        run.add("mask", START + number * PERIOD)
    assert run.unpaired == {("mask", "no_depth"): 3}


def test_an_incomplete_result_names_what_it_misses():
    run = Run(PANOPTIC)
    for topic in ("mask", "segments", "depth"):
        run.add(topic, START)
    for topic in ("mask", "segments", "panoptic", "depth"):
        run.add(topic, START + PERIOD)
    assert run.unpaired == {("mask", "no_panoptic"): 1, ("segments", "no_panoptic"): 1, ("depth", "no_mask"): 1}


def test_a_recording_that_starts_again():
    run = Run()
    stamp = run.learn_periods()
    for number in range(MAX_RESULTS):
        run.add("mask", stamp + number * PERIOD)
    for number in range(5):
        run.add("depth", START + number * PERIOD)
        assert run.add("mask", START + number * PERIOD) == (START + number * PERIOD,) * 2


def test_clear_forgets_what_waited():
    run = Run()
    run.learn_periods()
    run.add("mask", START)
    run.add("segments", START + PERIOD)
    run.add("depth", START - PERIOD)
    run.pairing.clear("no_subscribers")
    assert run.unpaired == {(topic, "no_subscribers"): 1 for topic in ("mask", "segments", "depth")}
    assert run.add("depth", START) is None
    assert run.pairing.tolerance_ns == 0


def test_of_two_messages_with_one_stamp_the_later_counts():
    """Two cameras on one topic, triggered together."""
    run = Run(PANOPTIC)
    pairing = run.pairing
    for number in (1, 2):
        for topic in ("mask", "depth", "segments"):
            assert pairing.add(topic, START, (topic, number), PANOPTIC) is None
    pair = pairing.add("panoptic", START, ("panoptic", 1), PANOPTIC)
    assert (pair.parts["mask"], pair.parts["segments"], pair.depth) == (("mask", 2), ("segments", 2), ("depth", 2))
    assert run.unpaired == {(topic, "same_stamp"): 1 for topic in ("mask", "depth", "segments")}


def test_every_message_is_accounted_for_and_few_wait_after_many_frames():
    """3,000 frames of which any part may be lost, late, repeated or stamped differently."""
    random = np.random.default_rng(0)
    run = Run(PANOPTIC)
    added, paired = Counter(), Counter()
    late = []
    for number in range(3_000):
        stamp = START + number * PERIOD
        arriving = [(topic, stamp) for topic in PANOPTIC if random.random() > 0.05]
        arriving += [("depth", stamp + int(random.normal(0, 5)) * MS)] * random.choice([0, 1, 1, 1, 1, 2])
        arriving = [arriving[place] for place in random.permutation(len(arriving))]
        late, arriving = arriving[:1], arriving[1:] + late
        for topic, at in arriving:
            added[topic] += 1
            pair = run.pairing.add(topic, at, at, PANOPTIC)
            if pair is not None:
                paired.update([*pair.parts, "depth"])
        assert len(run.pairing._results) <= MAX_RESULTS
        assert len(run.pairing._depths) <= MAX_DEPTH_IMAGES
        assert all(len(stamps) <= PERIOD_STAMPS for stamps in run.pairing._stamps.values())
    run.pairing.clear("at_end")
    unpaired = Counter()
    for (topic, _), count in run.unpaired.items():
        unpaired[topic] += count
    assert added == paired + unpaired
    assert paired["depth"] > 1500
    reasons = {reason for _, reason in run.unpaired}
    assert reasons == {"no_depth", "no_mask", "no_panoptic", "no_segments", "same_stamp", "at_end"}
