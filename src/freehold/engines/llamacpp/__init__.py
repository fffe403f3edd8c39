"""llama.cpp, through xllamacpp: the engine for GGUF files on this machine."""
