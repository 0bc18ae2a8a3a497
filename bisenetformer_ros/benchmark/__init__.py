"""Speed, memory and agreement of engines on the same frames, and how near they come to what the machine can do."""
