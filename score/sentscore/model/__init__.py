"""Models: verified artifacts, sessions, batches."""
