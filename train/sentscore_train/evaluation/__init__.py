"""What a model gets right, and how sure it is."""
