"""The files that a build in OpenVINO's form is made of, by the names that openvino-genai looks for."""

MODEL, TOKENIZER, DETOKENIZER = "openvino_model.xml", "openvino_tokenizer.xml", "openvino_detokenizer.xml"
TOKENS = "freehold_tokens.json"
"""Freehold's own: which tokens are never shown, which end an answer, and the one that a text begins with."""

FORMAT = "openvino"
"""What `WeightFacts.format` says of such a build."""


def binary(name: str) -> str:
    """The half with the constants that belongs to an XML half."""
    return name.removesuffix(".xml") + ".bin"


FILES = (MODEL, binary(MODEL), TOKENIZER, binary(TOKENIZER), DETOKENIZER, binary(DETOKENIZER), TOKENS)
