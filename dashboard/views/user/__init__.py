"""The page of one user, part by part."""
