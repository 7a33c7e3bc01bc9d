"""Whether bytes that are not what the configuration says are noticed, and right ones never."""
