"""Messages from one partition of a Kafka topic. Kafka's client itself is in monitor/kafka."""
