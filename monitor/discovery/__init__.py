"""From messages nobody has described to a configuration that reads them, or to a question.

Pure stages, one question a file; none knows of broker or terminal. What a stage
takes for certain is verified by decoding every message with the product's own
decoder. May import signal, records, config and what lies below them.
"""
