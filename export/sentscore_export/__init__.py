"""Turns a training checkpoint into an artifact: graph, vocabulary, manifest and card."""
