"""Vocabulary, and files of text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybptt.text import Vocabulary, digest, read_text, split, standard_text

# ------------------------------------------------------------------ the vocabulary


@given(st.text(min_size=1, max_size=300))
def test_encode_then_decode_is_the_text(text):
    vocabulary = Vocabulary.of(text)
    tokens = vocabulary.encode(text)
    assert tokens.dtype == np.int32
    assert tokens.shape == (len(text),)
    assert vocabulary.decode(tokens) == text
    assert "".join(sorted(set(text))) == vocabulary.characters
    assert len(vocabulary) == len(set(text))


def test_the_numbers_are_places_in_the_order_of_code_points():
    vocabulary = Vocabulary.of("zebra éa𝔸")
    assert vocabulary.characters == " aberzé𝔸"
    assert [vocabulary.characters[i] for i in vocabulary.encode("𝔸 za")] == ["𝔸", " ", "z", "a"]


def test_vocabularies_are_values():
    one, other = Vocabulary("abc"), Vocabulary.of("cba")
    assert one == other
    assert hash(one) == hash(other)
    assert one != Vocabulary("abd")
    assert eval(repr(one), {"Vocabulary": Vocabulary}) == one


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Vocabulary(""), ValueError, "characters: got '', need at least one character"),
        (lambda: Vocabulary("ba"), ValueError, "characters: got 'ba', need"),
        (lambda: Vocabulary("aa"), ValueError, "characters: got 'aa', need"),
        (lambda: Vocabulary(b"ab"), TypeError, "characters: got b'ab', need a str"),
        (lambda: Vocabulary.of(""), ValueError, "text: got no characters, need at least 1"),
        (lambda: Vocabulary.of(None), TypeError, "text: got None, need a str"),
        (
            lambda: Vocabulary("ab").encode("abxa"),
            ValueError,
            "text: got 'x' at character 2, need one of the vocabulary's 2: 'ab'",
        ),
        (
            lambda: Vocabulary("ab").encode("a\udcff"),
            ValueError,
            r"text: got '\udcff' at character 1, need",
        ),
        (lambda: Vocabulary("ab").encode(7), TypeError, "text: got 7, need a str"),
        (lambda: Vocabulary("ab").decode([0, 2]), ValueError, "tokens: got 2 at index 1, need"),
        (lambda: Vocabulary("ab").decode([-1]), ValueError, "tokens: got -1 at index 0, need"),
        (lambda: Vocabulary("ab").decode([0.0]), TypeError, "tokens: got dtype float64, need"),
    ],
)
def test_the_vocabulary_refuses(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)


# ------------------------------------------------------------------ what is held out


def test_split_holds_out_the_tail():
    tokens = np.arange(10)
    training, tail = split(tokens, 0.39)
    assert training.tolist() == list(range(7))
    assert tail.tolist() == [7, 8, 9]
    assert split(tokens, 0)[1].size == 0
    for wrong, error in (
        (1, ValueError),
        (-0.1, ValueError),
        (float("nan"), ValueError),
        (None, TypeError),
        ("half", TypeError),
    ):
        with pytest.raises(error, match="fraction: got"):
            split(tokens, wrong)


# ------------------------------------------------------------------ files


def test_a_file_is_read_as_it_is(tmp_path):
    path = tmp_path / "verse"
    path.write_bytes("Größe\r\n𝔸\n".encode())
    assert read_text(path) == "Größe\r\n𝔸\n"
    path.write_bytes(b"\xef\xbb\xbf" + b"marked")
    assert read_text(path) == "marked"
    path.write_bytes(b"")
    assert read_text(path) == ""


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_bad_bytes_are_named_with_their_place(tmp_path, mark):
    path = tmp_path / "latin"
    path.write_bytes(mark + b"one\ntwo gr" + "öß".encode("latin-1") + b"e\n")
    with pytest.raises(ValueError, match="UTF-8") as caught:
        read_text(path)
    at = 10 + len(mark)
    assert f"latin', with 0xf6 at byte {at} (line 2), need a text in UTF-8 (" in str(caught.value)


def test_a_missing_file_and_a_folder_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        read_text(tmp_path)


def test_the_standard_text_is_english_and_always_the_same():
    text = standard_text()
    assert text == standard_text()
    assert 400_000 < len(text) < 700_000
    assert text.count(" the ") > 3000
    assert 90 < len(Vocabulary.of(text)) < 130
    assert digest(text) == digest(standard_text()) != digest(text[1:])
