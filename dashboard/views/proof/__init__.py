"""The page Proof: the standing proof, starts of applications, and earlier redeploy tests."""
