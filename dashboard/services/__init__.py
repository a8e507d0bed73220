"""Calls that pages make: each with its role, activity entry, cache or job."""
