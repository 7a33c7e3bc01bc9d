"""Real servers for tests, on free loopback ports, and ways to disturb the connections to them."""
