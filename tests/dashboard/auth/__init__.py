"""Who gets in, and how far."""
