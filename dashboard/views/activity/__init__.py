"""The page Activity, part by part."""
