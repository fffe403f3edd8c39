"""The micro-benchmark: what the parts of an answer cost on this machine with llama.cpp's own kernels."""
