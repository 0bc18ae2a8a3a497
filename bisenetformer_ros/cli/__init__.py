"""The commands of `bisenetformer`, one file each; `__main__` says how a command is written."""
