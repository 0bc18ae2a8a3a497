"""Replaying frames through a live node in processes of its own, for `demo` and `evaluate-bag`."""
