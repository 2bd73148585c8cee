"""Methods of strings whose results depend on details of pandas."""

import re

import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

TEXTS = pd.Series(["a1b22", "$x$1", None, "a.b", "ab\\1c\\", "", "+-?", "A1"])

REPLACEMENTS = {
    "group": (r"(\d)", r"<\1>"),
    "group and digit": (r"(\d)", r"<\g<1>0>"),
    "named group": (r"(?P<d>\d)(?P<e>\d)?", r"<\g<e>\g<d>>"),
    "whole match": (r"\d", r"<\g<0>>"),
    "whole match by digit": (r"\d", r"<\0>"),
    "one digit": (r"(\d)", r"\10"),
    "missing group": (r"(a)(b)?", r"[\2]"),
    "dollar": (r"\d", "$1"),
    "dollars": (r"\d", "$$"),
    "braces": (r"\d", "${1}"),
    "backslash": (r"\d", r"\\"),
    "backslash and digit": (r"\d", r"\\1"),
    "backslash and group": (r"(\d)", r"\\\1"),
    "empty pattern": ("", "-"),
    "empty match": ("b*", "-"),
    "empty": (r"\d", ""),
}


@pytest.fixture(scope="module")
def loaded(client):
    return dd.from_pandas(TEXTS, npartitions=2)


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_replacements_of_patterns(loaded, name):
    """Replacements refer to groups as in Python; dollars and other backslashes are plain characters."""
    pattern, repl = REPLACEMENTS[name]
    same(loaded.str.replace(pattern, repl, regex=True).compute(), TEXTS.str.replace(pattern, repl, regex=True))


OTHER_REPLACEMENTS = {
    "empty": lambda s: s.str.replace("", "-"),
    "empty and dollar": lambda s: s.str.replace("", "$1"),
    "special": lambda s: s.str.replace("$", r"\1"),
    "backslash": lambda s: s.str.replace("\\", "$0"),
    "once": lambda s: s.str.replace("2", r"\1$1", n=1),
    "once pattern": lambda s: s.str.replace(r"(\d)", r"<\1>", n=1, regex=True),
    "case": lambda s: s.str.replace("A", "$1", case=False),
    "case pattern": lambda s: s.str.replace("A(1)", r"\1", case=False, regex=True),
    "flags": lambda s: s.str.replace("A", "x", flags=re.IGNORECASE, regex=True),
    "compiled": lambda s: s.str.replace(re.compile("A", re.IGNORECASE), "x", regex=True),
    "dict": lambda s: s.str.replace({"a": "b", "b": "c"}),
}


@pytest.mark.parametrize("name", OTHER_REPLACEMENTS)
def test_other_replacements(loaded, name):
    same(computed(OTHER_REPLACEMENTS[name](loaded)), OTHER_REPLACEMENTS[name](TEXTS))


def test_invalid_replacements(loaded):
    """Errors are raised at once."""
    for repl in (r"\n", r"\q", "x\\", r"\2", r"\g<2>", r"\g<x>"):
        with pytest.raises(ValueError, match="invalid replacement"):
            loaded.str.replace(r"(\d)", repl, regex=True)
    with pytest.raises(TypeError, match="repl must be a string"):
        loaded.str.replace("a", 1)
    with pytest.raises(NotImplementedError, match="Python functions"):
        loaded.str.replace("a", lambda found: "b", regex=True)


CHARACTERS = pd.Series(
    [
        *(
            "-5",
            "+7",
            "abc",
            "",
            "-",
            "--3",
            None,
            "\u0663",
            "12",
            "\u00b2",
            "\u00bd",
            "\u2167",
            "\u4e00",
            "a",
            "\u00aa",
        ),
        *(
            "\u00a0x\u2003",
            "\x1cx\x1d",
            "\u200bx",
            "\x85x",
            "\u3000x\u3000",
            "\tx\n",
            " \x1c",
            "\x85",
            "\u00a0",
            "\u200b",
        ),
        *("a1b", "o'neil", "hello wORLD", "a_b-c", "1a 2b", "x\u00b2y", "a\u2019b", "A_b_c", "_", "3d2D"),
    ]
)
OF_CHARACTERS = {
    "zfill": lambda s: s.str.zfill(4),
    "zfill short": lambda s: s.str.zfill(1),
    "strip": lambda s: s.str.strip(),
    "lstrip": lambda s: s.str.lstrip(),
    "rstrip": lambda s: s.str.rstrip(),
    "strip nothing": lambda s: s.str.strip(""),
    "strip characters": lambda s: s.str.strip("x "),
    "title": lambda s: s.str.title(),
    "capitalize": lambda s: s.str.capitalize(),
    "isdigit": lambda s: s.str.isdigit(),
    "isdecimal": lambda s: s.str.isdecimal(),
    "isnumeric": lambda s: s.str.isnumeric(),
    "isalpha": lambda s: s.str.isalpha(),
    "isalnum": lambda s: s.str.isalnum(),
    "isspace": lambda s: s.str.isspace(),
    "split and get": lambda s: s.str.split("_").str[1].astype("str"),
    "split and last": lambda s: s.str.split("_").str[-1].astype("str"),
    "split and len": lambda s: s.dropna().str.split("_").str.len(),
    "multiply": lambda s: s * 2,
    "multiply from the left": lambda s: 3 * s,
}


@pytest.mark.parametrize("name", OF_CHARACTERS)
def test_characters(client, name):
    """Signs, digits, letters and white space are those of pandas, also beyond ASCII."""
    same(computed(OF_CHARACTERS[name](dd.from_pandas(CHARACTERS, npartitions=2))), OF_CHARACTERS[name](CHARACTERS))


@pytest.mark.parametrize("pattern", [r"(?P<digits>\d+)", r"(\d+)", r"(?P<letters>[a-z]+)\d"])
def test_a_column_of_extracted_strings_has_the_name_of_its_group(pattern):
    texts = pd.Series(["a1", "b22", None, "c"], name="s")
    same(
        dd.from_pandas(texts, npartitions=2).str.extract(pattern, expand=False).compute(),
        texts.str.extract(pattern, expand=False),
    )
