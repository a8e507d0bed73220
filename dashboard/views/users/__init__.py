"""The page Users, part by part."""
