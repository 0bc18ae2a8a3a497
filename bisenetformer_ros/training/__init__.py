"""Training: from labelled images to weights."""
