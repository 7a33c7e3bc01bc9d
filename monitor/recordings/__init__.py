"""Files of vibration and the manifests that name them, and replaying them. Imports records and
config.
"""
