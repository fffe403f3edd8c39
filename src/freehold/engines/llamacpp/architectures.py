"""Which architectures the pinned release of llama.cpp knows by name: a file of another one it refuses to load.

Data only, beside one question. Source: llama.cpp b11549, `LLM_ARCH_NAMES` (src/llama-arch.cpp); the tests look every
name up in the library that is installed, and every model of the library here. Of another release nobody can tell.
"""

from __future__ import annotations

from freehold.engines.llamacpp.identity import RELEASE, engine_id, release

KNOWN = frozenset(
    (
        *("afmoe", "apertus", "arcee", "arctic", "arwkv7", "baichuan", "bailingmoe", "bailingmoe2", "bailingmoe3"),
        *("bert", "bitnet", "bloom", "chameleon", "chatglm", "clef", "clip", "codeshell", "cogvlm", "cohere2"),
        *("cohere2moe", "command-r", "dbrx", "deci", "deepseek", "deepseek2", "deepseek2-ocr", "deepseek32"),
        *("deepseek4", "dflash", "dots1", "dots3note", "dream", "eagle3", "ernie4_5", "ernie4_5-moe", "eurobert"),
        *("exaone", "exaone-moe", "exaone4", "falcon", "falcon-h1", "gemma", "gemma-embedding", "gemma-embedding2"),
        *("gemma2", "gemma3", "gemma3n", "gemma4", "gemma4-assistant", "glm-dsa", "glm4", "glm4moe", "glm5-next"),
        *("gpt-oss", "gpt2", "gptj", "gptneox", "granite", "granite_swa", "granitehybrid", "granitemoe"),
        *("graniteswitch", "grok", "grovemoe", "hrm_text", "hunyuan-dense", "hunyuan-moe", "hunyuan_vl", "hy_v3"),
        *("hy_v4", "internlm2", "jais", "jais2", "jamba", "jina-bert-v2", "jina-bert-v3", "k2-horizon", "kimi-k3"),
        *("kimi-linear", "laguna", "lfm2", "lfm2moe", "llada", "llada-moe", "llama", "llama-embed", "llama4"),
        *("maincoder", "mamba", "mamba2", "maple", "mellum", "mimo2", "minicpm", "minicpm3", "minimax-01"),
        *("minimax-m2", "minimax-m3", "mistral3", "mistral4", "modern-bert", "mpt", "muse-glimmer", "nanbeige"),
        *("nemotron", "nemotron_h", "nemotron_h_moe", "neo-bert", "nomic-bert", "nomic-bert-moe", "olmo", "olmo2"),
        *("olmoe", "openelm", "orion", "paddleocr", "pangu-embedded", "phi2", "phi3", "phimoe", "plamo", "plamo2"),
        *("plamo3", "plm", "pockettts", "qwen", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen35", "qwen35moe"),
        *("qwen3moe", "qwen3next", "qwen3tts", "qwen3vl", "qwen3vlmoe", "qwen4exp", "refact", "rnd1", "rwkv6"),
        *("rwkv6qwen2", "rwkv7", "seed_oss", "smallthinker", "smollm3", "spark2_5", "stablelm", "starcoder"),
        *("starcoder2", "step35", "t5", "t5encoder", "talkie", "wavtokenizer-dec", "xverse"),
    )
)


def refused(architecture: str) -> str | None:
    """Why the engine loads no file of `architecture`; None where it knows it, or another release is installed."""
    if architecture in KNOWN or release() != RELEASE:
        return None
    return f"{engine_id()} does not know the architecture {architecture!r}"
