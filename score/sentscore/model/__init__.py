"""Models: verified artifacts, and the engine that runs one with ONNX Runtime."""
