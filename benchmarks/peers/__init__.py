"""NVIDIA FLARE and Flower beside Hansa, on the same data: ``python -m benchmarks.peers``."""
