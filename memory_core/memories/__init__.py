"""A user's memories: saved, read, searched, counted, repaired."""
