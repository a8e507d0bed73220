"""Where memories lie: the backend, objects, vectors, and the AWS clients."""
