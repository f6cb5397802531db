"""Policies from and for elsewhere: their contract, ONNX out, ONNX in."""
