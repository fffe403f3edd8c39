"""OpenVINO: builds in its form, run by openvino-genai's continuous batching. An extra: `freehold[openvino]`."""
