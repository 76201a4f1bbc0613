"""Vocabulary, chunks and files of text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybptt.text import Chunks, Vocabulary, digest, read_text, split, standard_text

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


# ------------------------------------------------------------------ chunks


@given(
    batch=st.integers(1, 6),
    steps=st.integers(1, 9),
    more=st.integers(0, 60),
)
def test_chunks_are_the_whole_sequence_side_by_side(batch, steps, more):
    tokens = np.arange(batch * steps + 1 + more)
    chunks = Chunks(tokens, batch=batch, steps=steps)
    xs, ys = zip(*chunks, strict=True)
    x, y = np.concatenate(xs), np.concatenate(ys)
    # Every stream goes on where it was cut, and the next begins where the one before it ends.
    length = (len(tokens) - 1) // batch
    assert x.shape == (length, batch)
    np.testing.assert_array_equal(x.T.ravel(), tokens[: batch * length])
    np.testing.assert_array_equal(y, x + 1)
    assert chunks.n_targets == x.size
    # All as long as asked for, or one step shorter at most where that evens them out.
    lengths = [len(part) for part in xs]
    assert max(lengths) <= steps
    assert max(lengths) - min(lengths) <= 1
    assert len(chunks) == -(-length // steps)


def test_chunks_are_a_sequence():
    chunks = Chunks(np.arange(101), batch=2, steps=10)
    np.testing.assert_array_equal(chunks[-1][0], chunks[len(chunks) - 1][0])
    assert [x[0, 0] for x, y in chunks[1:3]] == [10, 20]
    with pytest.raises(IndexError):
        chunks[len(chunks)]
    assert repr(chunks) == "<Chunks: 5 of 10 steps, 2 streams>"


@pytest.mark.parametrize(
    ("tokens", "options", "error", "message"),
    [
        (np.arange(20), {"batch": 4, "steps": 5}, ValueError, "tokens: got 20, need at least 21 "),
        (np.zeros((3, 4), int), {"batch": 1, "steps": 1}, ValueError, "tokens: got shape (3, 4)"),
        (np.zeros(9), {"batch": 1, "steps": 1}, TypeError, "tokens: got an array of shape (9,)"),
        (np.arange(9), {"batch": 0, "steps": 1}, ValueError, "batch: got 0, need an integer ≥ 1"),
        (np.arange(9), {"batch": 1, "steps": -2}, ValueError, "steps: got -2, need an integer"),
        (np.arange(9), {"batch": True, "steps": 1}, TypeError, "batch: got True, need an integer"),
        (np.arange(9), {"batch": 1, "steps": 1.5}, TypeError, "steps: got 1.5, need an integer"),
    ],
)
def test_chunks_refuse(tokens, options, error, message):
    with pytest.raises(error) as caught:
        Chunks(tokens, **options)
    assert str(caught.value).startswith(message)


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
