"""Who may reach the dashboard, and how its answers are protected."""
