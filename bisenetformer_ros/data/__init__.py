"""Data sets and augmentation; nothing here is needed to run a trained network."""
