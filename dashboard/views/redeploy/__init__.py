"""The page Redeploy test: what to do, what happened, and the proof."""
