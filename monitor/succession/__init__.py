"""How a partition of Kafka gets to a new owner without the old one's journal: by a compacted
topic.
"""
