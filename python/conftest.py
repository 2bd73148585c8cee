"""What the tests of the package share with the examples in its texts."""

import pytest
from _pytest.doctest import DoctestItem


@pytest.fixture(autouse=True)
def example_folder(request, monkeypatch):
    """Run an example in a folder of its own: the files that it writes must not lie among the sources."""
    if isinstance(request.node, DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
