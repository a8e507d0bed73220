"""Access to the dashboard: login, sessions, roles, and protected responses."""
