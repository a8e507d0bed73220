"""The parts of the Memories page: the user, saving, searching, browsing, one memory."""
