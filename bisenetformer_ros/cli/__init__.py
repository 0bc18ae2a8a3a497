"""The commands of `bisenetformer`, one file each; `__main__` explains how to write one."""
