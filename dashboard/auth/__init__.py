"""Access to the dashboard: login, sessions, roles, and the protection of its answers."""
