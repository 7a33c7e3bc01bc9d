"""A member of a Kafka group: which partitions this machine serves, a process for each."""
