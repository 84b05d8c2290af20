"""The parts of a model card."""
