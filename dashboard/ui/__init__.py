"""Safe text, status, charts, tables and what happens when something fails."""
