"""Text as a model of sequences reads it: a vocabulary of characters, and files of text.

A character model is given a character and asked for the next. :class:`Vocabulary` numbers the
characters; :class:`cybptt.data.Chunks` (here, too, by that name) cuts a long text for truncated
back-propagation. There are no equations here: what the section calls x(t) and y(t) is prepared.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt import _validate as check
from cybptt._files import file_name
from cybptt.data import Chunks as Chunks

__all__ = ["Vocabulary", "read_text", "standard_text", "split", "digest"]


def _string(name: str, value: Any) -> str:
    """The value itself, if it is a str."""
    if not isinstance(value, str):
        raise check.wrong_type(name, check.describe(value), "a str")
    return value


def _codes(text: str) -> NDArray[np.uint32]:
    """The code point of every character."""
    # surrogatepass: what is not UTF-8 on a command line arrives as lone surrogates, and is refused
    # by name like any other character that the vocabulary lacks.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32)


@dataclass(frozen=True)
class Vocabulary:
    """The characters of a text and their numbers.

    No equation: it numbers the classes of x(t) and y(t).

    Parameters
    ----------
    characters : str
        Each character once, in the order of the code points; a character's number is its place.

    Raises
    ------
    TypeError
        If they are no str.
    ValueError
        If there is no character, or they are not in order.

    Examples
    --------
    >>> from cybptt.text import Vocabulary
    >>> vocabulary = Vocabulary.of("hello")
    >>> vocabulary.characters, len(vocabulary)
    ('ehlo', 4)
    >>> vocabulary.encode("hole")
    array([1, 3, 2, 0], dtype=int32)
    >>> vocabulary.decode([1, 0, 2, 2, 3])
    'hello'
    """

    characters: str
    _codes: NDArray[np.uint32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codes = _codes(_string("characters", self.characters))
        if not codes.size or (np.diff(codes.astype(np.int64)) <= 0).any():
            raise ValueError(
                f"characters: got {_short(self.characters)}, need at least one character, "
                "each once and in the order of the code points"
            )
        codes.setflags(write=False)
        object.__setattr__(self, "_codes", codes)

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        """The vocabulary of all the characters that stand in a text.

        No equation: a count of what is there.

        Parameters
        ----------
        text : str
            At least one character.

        Returns
        -------
        Vocabulary
            Of the text's characters.

        Raises
        ------
        ValueError
            If the text is empty.

        Examples
        --------
        >>> from cybptt.text import Vocabulary
        >>> Vocabulary.of("abracadabra")
        Vocabulary(characters='abcdr')
        """
        if not _string("text", text):
            raise ValueError("text: got no characters, need at least 1")
        return cls("".join(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> NDArray[np.int32]:
        """The numbers of a text's characters.

        No equation: a look-up.

        Parameters
        ----------
        text : str
            Any length, of this vocabulary's characters.

        Returns
        -------
        ndarray of int32, (len(text),)
            Each 0 … len(vocabulary) − 1.

        Raises
        ------
        ValueError
            If a character is not in the vocabulary; the message names it and its place.

        Examples
        --------
        >>> from cybptt.text import Vocabulary
        >>> Vocabulary("abc").encode("cab")
        array([2, 0, 1], dtype=int32)
        >>> Vocabulary("abc").encode("bad")
        Traceback (most recent call last):
            ...
        ValueError: text: got 'd' at character 2, need one of the vocabulary's 3: 'abc'
        """
        codes = _codes(_string("text", text))
        place = np.searchsorted(self._codes, codes)
        unknown = self._codes[np.minimum(place, len(self) - 1)] != codes
        if unknown.any():
            at = int(unknown.argmax())
            raise ValueError(
                f"text: got {text[at]!r} at character {at}, "
                f"need one of the vocabulary's {len(self)}: {_short(self.characters)}"
            )
        return place.astype(np.int32)

    def decode(self, tokens: ArrayLike) -> str:
        """The text that stands behind numbers.

        No equation: a look-up.

        Parameters
        ----------
        tokens : array-like of integers, any shape, read in C order
            Each 0 … len(vocabulary) − 1.

        Returns
        -------
        str
            One character a number.

        Raises
        ------
        TypeError
            If the numbers are not integers.
        ValueError
            If one is out of range.

        Examples
        --------
        >>> from cybptt.text import Vocabulary
        >>> Vocabulary("abc").decode([2, 0, 1])
        'cab'
        """
        last = len(self) - 1
        numbers = check.array("tokens", tokens, "iu", f"integers in 0 … {last}")
        check.in_range("tokens", numbers, 0, last, "integers")
        codes: bytes = self._codes[numbers].astype("<u4").tobytes()
        return codes.decode("utf-32-le", "surrogatepass")


def _short(text: str, most: int = 40) -> str:
    """A text in quotes, cut where it is long."""
    return repr(text) if len(text) <= most else repr(text[:most]) + "…"


def split(tokens: ArrayLike, fraction: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Hold out the tail of a sequence.

    No equation: what the model is tested on is what it has not been trained on.

    Parameters
    ----------
    tokens : array-like of numbers, (N,)
        The whole sequence.
    fraction : float, 0 ≤ fraction < 1
        How much of it is held out, rounded down to a whole number of tokens.

    Returns
    -------
    ndarray, (N − n,)
        What is left to train on: a view, where an array was given.
    ndarray, (n,)
        The tail: a view, too.

    Raises
    ------
    ValueError, TypeError
        If the fraction is out of range, or the tokens are not one sequence.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.text import split
    >>> split(np.arange(10), 0.25)
    (array([0, 1, 2, 3, 4, 5, 6, 7]), array([8, 9]))
    """
    need = "numbers of shape (N,): one long sequence"
    array = check.array("tokens", tokens, "biuf", need)
    if isinstance(tokens, int | float):
        raise check.wrong_type("tokens", check.describe(tokens), need)
    if array.ndim != 1:
        raise check.wrong_value("tokens", f"shape {array.shape}", need)
    need = "a number in 0 ≤ fraction < 1"
    part = check.real_number("fraction", fraction, need)
    if not 0 <= part < 1:
        raise check.wrong_value("fraction", check.describe(fraction), need)
    at = len(array) - math.floor(len(array) * part)
    return array[:at], array[at:]


def read_text(path: str | os.PathLike[str]) -> str:
    r"""Read a text file, which must be UTF-8.

    No equation: it reads a file. A byte order mark at the front is left out; line ends stay as they
    are.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    str
        Its text.

    Raises
    ------
    OSError
        If the file is missing, a folder, or cannot be read.
    ValueError, TypeError
        If it is not UTF-8, when the message says at which byte and line; or if the path is none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from cybptt.text import read_text
    >>> path = pathlib.Path(tempfile.mkdtemp(), "verse.txt")
    >>> _ = path.write_bytes("naïve\n".encode())
    >>> read_text(path)
    'naïve\n'
    """
    name = file_name(path)
    with open(name, "rb") as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from behind the mark, if there is one.
        at = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        line = data.count(b"\n", 0, at) + 1
        raise check.wrong_value(
            "path",
            f"{name!r}, with {data[at]:#04x} at byte {at} (line {line})",
            f"a text in UTF-8 ({error.reason})",
        ) from None


def standard_text() -> str:
    """Real English that every Python carries: the standard library's ``pydoc_data.topics``.

    The topics of Python's ``help()``, taken from its language reference, in the order of their
    names, with an empty line between two. The text differs a little from one version of Python to
    the next, and runs to some 465,000 characters. Some passages stand in several topics, word for
    word: of the last twentieth, about two fifths are also found further up.

    No equation: it is a text.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> from cybptt.text import standard_text
    >>> print(standard_text()[:22])
    The "assert" statement
    """
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


def digest(text: str) -> str:
    """The SHA-256 of a text's UTF-8 bytes.

    No equation: a fingerprint, by which a run that goes on knows its text.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    TypeError
        If it is no str.

    Examples
    --------
    >>> from cybptt.text import digest
    >>> digest("abc")[:16]
    'ba7816bf8f01cfea'
    """
    return hashlib.sha256(_string("text", text).encode("utf-8", "surrogatepass")).hexdigest()
