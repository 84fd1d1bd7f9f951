"""An ONNX file read without running it."""
