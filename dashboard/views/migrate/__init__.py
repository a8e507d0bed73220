"""The page Migrate, step by step."""
