"""From tokens to text: whole characters, no part of a stop sequence, and log probabilities that go with their text."""

from __future__ import annotations

from freehold.engines.openvino.text import Text, Vocabulary

PIECES = [b"Hello", b" wor", b"ld", b"<end>", "é".encode()[:1], "é".encode()[1:], b" St", b"op", b"per", b""]
WORDS = Vocabulary(PIECES, frozenset({3}))


def told(tokens: list[int], *stops: str) -> tuple[list[str], bool]:
    text = Text(WORDS, stops)
    said = []
    for token in tokens:
        text.feed(token, None)
        said.append(text.say().text)
        if text.stopped:
            break
    return [*said, text.end().text], text.stopped


def test_text_comes_token_by_token_and_control_tokens_say_nothing() -> None:
    assert told([0, 1, 2, 3]) == (["Hello", " wor", "ld", "", ""], False)


def test_half_of_a_character_waits_for_the_other_and_is_marked_where_none_comes() -> None:
    assert told([4, 5]) == (["", "é", ""], False)
    assert told([0, 4]) == (["Hello", "", "\ufffd"], False)


def test_what_may_begin_a_stop_sequence_is_held_until_it_is_known_not_to_be_one() -> None:
    assert told([0, 6, 7], "Stop") == (["Hello", " ", "", ""], True)
    assert told([0, 6, 8], "Stop") == (["Hello", " ", "Stper", ""], False)
    assert told([0, 6], "Stop") == (["Hello", " ", "St"], False)


def test_the_first_of_several_stop_sequences_ends_the_text() -> None:
    assert told([0, 1, 2], "ld", "lo wor") == (["Hel", "", ""], True)


def test_log_probabilities_come_with_the_text_of_their_tokens() -> None:
    text = Text(WORDS, ["Stop"])
    for token in (0, 6, 8, 4, 5, 3):
        text.feed(token, -1.5)
    said = text.end()
    assert [entry["token"] for entry in said.entries] == ["Hello", " St", "per", "\ufffd", "\ufffd"]
    assert [entry["id"] for entry in said.entries] == [0, 6, 8, 4, 5]
    assert [entry["bytes"] for entry in said.entries][3:] == [[0xC3], [0xA9]]


def test_tokens_of_a_stop_sequence_have_no_log_probabilities() -> None:
    text = Text(WORDS, ["Stop"])
    for token in (0, 6, 7):
        text.feed(token, -1.5)
    assert [entry["token"] for entry in text.end().entries] == ["Hello"]


def test_a_token_that_there_is_not_is_shown_as_nothing_and_refused_where_it_is_given() -> None:
    assert WORDS.piece(99) == WORDS.piece(-1) == b""
    for tokens in ([99], [-1]):
        try:
            WORDS.text(tokens)
        except ValueError as error:
            assert "is not a token" in str(error)
        else:
            raise AssertionError(tokens)
    assert WORDS.text([0, 3]) == "Hello<end>"
