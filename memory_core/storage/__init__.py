"""Storage: the choice of a backend, object stores, vector stores and the AWS clients."""
