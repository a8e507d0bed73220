"""Access to the dashboard."""
