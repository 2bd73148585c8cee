"""Why tests do not pass: a file of lines ``file.py::test: reason``."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["check_reasons", "find_stale", "read_reasons"]


def read_reasons(path: str) -> dict[str, str]:
    """Return the reasons by the name of their test.

    Raises
    ------
    ValueError
        If a line is not a test and its reason, or names a test a second time.
    """
    reasons: dict[str, str] = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            test, separator, reason = text.partition(": ")
            if not separator or "::" not in test or test in reasons:
                raise ValueError(f"{path}:{number}: expected `file.py::test: reason`, once for each test, not {text!r}")
            reasons[test] = reason
    return reasons


def check_reasons(outcomes: Mapping[str, str], reasons: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the reasons for the outcomes of tests, a line for each.

    Parameters
    ----------
    outcomes : mapping
        By test that counts: empty if it passed, or how it failed.
    reasons : mapping
        Why tests fail that are known to.
    """
    wrong = [f"{test} fails without a reason: {how}" for test, how in outcomes.items() if how and test not in reasons]
    wrong += [
        f"{test} passes, but has a reason why not" for test, how in outcomes.items() if not how and test in reasons
    ]
    return sorted(wrong)


def find_stale(tests: Mapping[str, bool], reasons: Mapping[str, str]) -> list[str]:
    """Return the reasons that can be removed, a line for each.

    Parameters
    ----------
    tests : mapping
        Whether each test of a suite is one that looks inside the peer, which does not count.
    reasons : mapping
        Why tests fail that are known to.
    """
    files = {test.partition("::")[0] for test in tests}
    mine = [test for test in reasons if test.partition("::")[0] in files]
    wrong = [f"{test} does not exist, but has a reason why it does not pass" for test in mine if test not in tests]
    wrong += [f"{test} does not count, but has a reason why it does not pass" for test in mine if tests.get(test)]
    return sorted(wrong)
