"""The fake engine's language: tokens that come back as the text they were, text that depends on prompt and seed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.engines.fake import words


def test_the_vocabulary_is_a_prime_number_of_different_words() -> None:
    assert len(words.WORDS) == len(set(words.WORDS)) == 251


@given(st.text())
def test_any_text_comes_back_from_its_token_ids(text: str) -> None:
    pieces = words.split(text)
    assert "".join(pieces) == text
    ids = [words.token_id(piece) for piece in pieces]
    assert all(0 <= token < 2**31 for token in ids)
    assert "".join(map(words.piece_of, ids)) == text


def test_a_word_of_the_vocabulary_is_one_token_and_others_are_cut() -> None:
    assert words.split("the people, Hello é") == ["the", " people", ", He", "llo", " ", "é"]


@pytest.mark.parametrize("token", [-1, 0xD800, 0x110000, 1 << 29, (1 << 30) + 502, 2**31])
def test_an_id_that_no_token_has_is_refused(token: int) -> None:
    with pytest.raises(ValueError, match=f"{token} is not a token"):
        words.piece_of(token)


def test_what_it_writes_depends_on_prompt_seed_and_answer_and_on_nothing_else() -> None:
    def text(prompt: str = "hello", seed: int = 0, index: int = 0) -> str:
        return "".join(words.write(prompt, seed=seed, index=index, tokens=20))

    assert text() == text()
    assert len({text(), text(prompt="bye"), text(seed=1), text(index=1)}) == 4
    assert words.split(text()) == words.write("hello", seed=0, index=0, tokens=20)


def test_no_tokens_are_an_empty_answer() -> None:
    assert words.write("hello", seed=0, index=0, tokens=0) == []


def test_embeddings_are_unit_vectors_of_their_text_alone() -> None:
    vector = words.embed("hello")
    assert len(vector) == words.EMBEDDING_LENGTH
    assert math.hypot(*vector) == pytest.approx(1)
    assert vector == words.embed("hello") != words.embed("hello!")


@given(st.sampled_from(words.WORDS), st.integers(0, 20))
def test_probabilities_never_add_up_to_more_than_one(piece: str, top: int) -> None:
    entry = words.logprob_entry(piece, top=top)
    assert sum(math.exp(row["logprob"]) for row in entry["top_logprobs"]) <= 1
    assert len(entry["top_logprobs"]) <= top
    assert bytes(entry["bytes"]).decode() == piece
