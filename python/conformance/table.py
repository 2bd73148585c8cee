"""The table of a document, between two markers."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .suites import Suite

__all__ = ["write_table"]

BEGIN = "<!-- conformance: written by `cargo xtask conformance` -->"
END = "<!-- end of conformance -->"
#: How the reasons of tests begin that expect Dask's refusal of what is supported here.
_REFUSALS = ("expects an error", "expects errors", "expects a warning", "expects Dask's warning")
_SUMMARY = [
    "| suite | whose | test functions that count | pass | share | expect that Dask refuses, or warns of, what is supported here |",
    "|---|---|--:|--:|--:|--:|",
]
_FAILURES = ["| suite | test function that does not pass | reason |", "|---|---|---|"]


def write_table(path: str, suite: Suite, what: str, outcomes: Mapping[str, str], reasons: Mapping[str, str]) -> None:
    """Replace the rows of a suite in a document; those of other suites stay.

    Parameters
    ----------
    path : str
        The document.
    suite : Suite
        The suite.
    what : str
        The module and its version.
    outcomes : mapping
        By test that counts: empty if it passed, or how it failed.
    reasons : mapping
        Why tests do not pass.

    Raises
    ------
    ValueError
        If the document has no markers.
    """
    with open(path, encoding="utf-8") as file:
        before, begin, rest = file.read().partition(BEGIN)
        between, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the table: {BEGIN}")
    passed = sum(not how for how in outcomes.values())
    share = f"{100 * passed / max(len(outcomes), 1):.1f} %"
    name = f"`{suite.name}`"
    rows = [line for line in between.splitlines() if line.startswith("| `") and not line.startswith(f"| {name} ")]
    failures = [line for line in rows if line.count(" | ") == 2]
    summary = [line for line in rows if line not in failures]
    summary.append(f"| {name} | {what} | {len(outcomes)} | {passed} | {share} |")
    failures += [f"| {name} | `{test}` | {reasons.get(test, 'unknown')} |" for test, how in outcomes.items() if how]
    table = [
        *_SUMMARY, *[_with_refusals(line, failures) for line in sorted(summary)], "",
        *(_FAILURES if failures else []), *sorted(failures),
    ]  # fmt: skip
    text = "\n".join([before + begin, *table, end]) + after
    # A reader never sees half of it.
    written = f"{path}.new"
    with open(written, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(written, path)


def _with_refusals(row: str, failures: list[str]) -> str:
    """Return a row of the summary with the number of tests that expect a refusal."""
    cells = [cell.strip() for cell in row.strip("|").split("|")][:5]
    reasons = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in failures]
    refusals = sum(one[0] == cells[0] and one[2].startswith(_REFUSALS) for one in reasons)
    return f"| {' | '.join(cells)} | {refusals} |"
