"""The page Doctor: checks, findings, the support bundle, and logs."""
