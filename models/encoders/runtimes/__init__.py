"""Libraries that run networks: torch everywhere, OpenVINO and ONNX Runtime on processors, where they are faster."""
