"""Evaluation of a model on data sets, bags, panoptic predictions and the live node."""
