"""From weights to the files that inference engines run."""
