"""From pairs to fused images: networks, ONNX files and baselines behind one `Fuser`, one pipeline, one Python API."""
