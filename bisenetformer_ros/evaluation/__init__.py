"""Measures of quality and of time, the same for the node, the commands and the training."""
