"""What the pages ask for: the role, the call, the cache, the job."""
