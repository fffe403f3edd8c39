"""The fake engine: a real worker process that answers like llama.cpp's server, without a model, at any speed."""
