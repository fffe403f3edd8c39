"""The fake engine's language: its vocabulary, how text becomes tokens and back, what it writes, what it embeds. Pure.

What it writes: word k of answer i is `WORDS[(a + k * b) mod 251]`, the first one without its space; a (0 to 250) and b
(1 to 250) come from BLAKE2b over the prompt, the seed and i. 251 is prime: 251 tokens pass before a word returns.

Tokens: a word of the vocabulary, alone or with one space before it, is one token. Anything else is cut into runs of at
most four ASCII characters and single characters beyond ASCII. Ids follow from the text alone (no table is learned), so
they are the same in every process, and every text comes back from its ids as it was.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
import struct
from typing import Any

_TEXT = """
the of a in to it that is was for on are with they at be this from have or by one had not but what all were when we
there can an your which their said if do will each about how up out them then she many some so these would other into
has more her two like him see time could no make than first been its who now people my made over did down only way find
use may water long little very after words called just where most know get through back much before go good new write
our used me man too any day same right look think also around another came come work three word must because does part
even place well such here take why things help put years different away again off went old number great tell men say
small every found still between name should home big give air line set own under read last never us left end along while
might next sound below saw something thought both few those always looked show large often together asked house world
going want school important until form food keep children feet land side without boy once animals life enough took
sometimes four head above kind began almost live page got earth need far hand high year mother light parts country
father let night following picture being study second eyes soon times story boys since white days ever paper hard near
river stone
"""
WORDS: tuple[str, ...] = tuple(" " + word for word in _TEXT.split())
EMBEDDING_LENGTH = 64

# With the space before it and without: an answer begins with a bare word.
_PIECES = (*WORDS, *(word[1:] for word in WORDS))
_IDS = {piece: (1 << 30) + index for index, piece in enumerate(_PIECES)}
_RUNS = 1 << 29
_PIECE = re.compile(r"(?: ?[a-z]+)(?![A-Za-z])|[\x00-\x7f]{1,4}|[^\x00-\x7f]", re.DOTALL)
_CUT = re.compile(r"[\x00-\x7f]{1,4}|[^\x00-\x7f]", re.DOTALL)


def split(text: str) -> list[str]:
    """`text` as its tokens' pieces, in order; joined they are `text` again."""
    pieces: list[str] = []
    for piece in _PIECE.findall(text):
        if piece in _IDS or len(piece) == 1:
            pieces.append(piece)
        else:
            pieces += _CUT.findall(piece)
    return pieces


@functools.lru_cache(maxsize=256)
def count(text: str) -> int:
    """How many tokens `text` has. Remembered: benchmarks send the same prompt thousands of times."""
    return len(split(text))


def token_id(piece: str) -> int:
    """The id of one piece: a word's place, a character's code point, or up to four characters of seven bits each."""
    known = _IDS.get(piece)
    if known is not None:
        return known
    if len(piece) == 1:
        return ord(piece)
    packed = 1
    for character in piece:
        packed = packed << 7 | ord(character)
    return _RUNS + packed


def piece_of(token: int) -> str:
    """The text of one id. Raises ValueError where no token has it."""
    if token >= 1 << 30:
        index = token - (1 << 30)
        if index >= len(_PIECES):
            raise ValueError(f"{token} is not a token")
        return _PIECES[index]
    if token >= _RUNS:
        packed, characters = token - _RUNS, ""
        while packed > 1:
            characters = chr(packed & 0x7F) + characters
            packed >>= 7
        if not 2 <= len(characters) <= 4:
            raise ValueError(f"{token} is not a token")
        return characters
    if not 0 <= token < 0x110000 or 0xD800 <= token < 0xE000:
        raise ValueError(f"{token} is not a token")
    return chr(token)


def write(prompt: str, *, seed: int, index: int, tokens: int) -> list[str]:
    """The first `tokens` pieces of answer `index` to `prompt`."""
    at, stride = _course(prompt, seed, index)
    size = len(WORDS)
    pieces = [WORDS[(at + k * stride) % size] for k in range(tokens)]
    return [pieces[0][1:], *pieces[1:]] if pieces else []


def embed(text: str) -> list[float]:
    """A unit vector of EMBEDDING_LENGTH numbers that depends on `text` alone. It says nothing about meaning."""
    raw = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(4 * EMBEDDING_LENGTH)
    numbers = [value / 2**31 for value in struct.unpack(f"<{EMBEDDING_LENGTH}i", raw)]
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]


def logprob_entry(piece: str, *, top: int) -> dict[str, Any]:
    """One entry of `logprobs.content` as llama.cpp writes it. The piece itself has a probability from 0.4 to 0.9; each
    alternative has half of what is still left, so that they never add up to more than one."""
    mixed = hashlib.blake2b(piece.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    own = 0.4 + 0.5 * mixed[0] / 256
    left, start = 1 - own, int.from_bytes(mixed[1:3], "little")
    others = [WORDS[(start + 7 * k) % len(WORDS)] for k in range(top)]
    ranked = [(piece, own)]
    for other in [other for other in others if other != piece][: max(0, top - 1)]:
        left /= 2
        ranked.append((other, left))
    entry = _entry(piece, own)
    return {**entry, "top_logprobs": [_entry(text, probability) for text, probability in ranked[:top]]}


def _entry(piece: str, probability: float) -> dict[str, Any]:
    raw = piece.encode("utf-8", "surrogatepass")
    return {"id": token_id(piece), "token": piece, "bytes": [*raw], "logprob": math.log(probability)}


def _course(prompt: str, seed: int, index: int) -> tuple[int, int]:
    key = f"{seed}/{index}".encode()
    mixed = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
    size = len(WORDS)
    return int.from_bytes(mixed[:4], "little") % size, 1 + int.from_bytes(mixed[4:], "little") % (size - 1)
