"""Builds the ONNX graphs of a model, node by node."""
