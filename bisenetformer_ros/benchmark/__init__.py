"""Speed, memory and agreement of engines on the same frames, compared with the machine's peak rates."""
