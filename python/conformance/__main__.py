"""The command: rewrites the suites, runs them, compares with the known reasons, and writes the table."""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import types

from .inside import find_insiders
from .reasons import check_reasons, find_stale, read_reasons
from .rewrite import blank_tests, choose_branches, replace_imports
from .suites import SUITES, Suite, find_files
from .table import write_table

#: Modules of Dask whose names are those of its users.
_USERS_MODULES = ("dask", "dask.array", "dask.bag", "dask.dataframe")
#: Modules of Dask of which users have the functions and classes that are defined there.
_USERS_DEFINITIONS = (
    "dask.array.fft",
    "dask.array.image",
    "dask.array.lib.stride_tricks",
    "dask.array.linalg",
    "dask.array.stats",
    "dask.dataframe.dask_expr.datasets",
)
#: Time of one test at most, in seconds.
TEST_TIMEOUT_S = 45
#: Exit codes of pytest after all tests ran, of which some may have failed, and if none was selected.
FINISHED = (0, 1, 5)
#: Characters of the output of pytest that are shown if it ended early.
LOG_MAX = 4000
HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> int:
    """Run the command. Return its exit code."""
    parser = argparse.ArgumentParser(prog="cargo xtask conformance", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--document", help="the document with the table")
    parser.add_argument("--checkout", help="a checkout of dask/distributed")
    parser.add_argument("--only", default="", help="an expression of pytest: the tests to run, without a table")
    parser.add_argument("--save", help="write a line of JSON for each test to this file")
    arguments = parser.parse_args()
    for name in arguments.suites:
        if name not in SUITES:
            parser.error(f"unknown suite {name!r}; suites: {', '.join(SUITES)}")
    reasons = read_reasons(os.path.join(HERE, "reasons.txt"))
    results = {}
    for name in arguments.suites or SUITES:
        suite = SUITES[name]
        files = find_files(suite, arguments.checkout)
        if files:
            results[suite] = run_suite(suite, files, arguments.only, arguments.save)
        elif arguments.suites:
            sys.exit(
                f"the tests of {suite.what} are not in its package: name a checkout of them with --checkout FOLDER"
            )
        else:
            print(f"{suite.name}: left out, since its tests are not in its package and --checkout is not given")
    wrong = []
    for suite, outcomes in results.items():
        counted = {test: how for test, (kind, how) in outcomes.items() if kind in ("passed", "failed")}
        passed = sum(not how for how in counted.values())
        print(
            f"{suite.name}: {passed} of {len(counted)} test functions pass; {len(outcomes) - len(counted)} do not count"
        )
        mine = {test: why for test, why in reasons.items() if test in outcomes}
        wrong += check_reasons(counted, mine)
        if not arguments.only:
            wrong += find_stale({test: kind == "inside" for test, (kind, _) in outcomes.items()}, reasons)
        if arguments.document and not arguments.only:
            version = importlib.metadata.version(suite.package)
            write_table(arguments.document, suite, f"{suite.what} {version}", counted, reasons)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def run_suite(suite: Suite, files: list[str], only: str, save: str | None) -> dict[str, tuple[str, str]]:
    """Run a suite with each of its schedulers. Return by test function how it ended, and its error."""
    users = _users_names()
    outcomes: dict[str, set[tuple[str, str]]] = {}
    with tempfile.TemporaryDirectory(prefix="partita-suite-") as folder:
        for path in files:
            _copy(path, folder, users, suite)
        for scheduler in suite.schedulers:
            out = os.path.join(folder, f"{scheduler}.jsonl")
            _run_pytest(folder, out, suite, scheduler, only)
            with open(out, encoding="utf-8") as rows:
                for row in rows:
                    file, function, test, kind, text = json.loads(row)
                    text = f"{text} ({scheduler})" if kind == "failed" and len(suite.schedulers) > 1 else text
                    outcomes.setdefault(f"{file}::{function}", set()).add((kind, text))
                    if save is not None:
                        with open(save, "a", encoding="utf-8") as saved:
                            saved.write(json.dumps([suite.name, scheduler, file, test, kind, text]) + "\n")
    return {test: _summary(found) for test, found in outcomes.items()}


def _summary(found: set[tuple[str, str]]) -> tuple[str, str]:
    """Return how a test function ended: it fails with any of its parameters, and passes if some count."""
    for kind in ("failed", "passed", "inside"):
        for one, text in sorted(found):
            if one == kind:
                return one, text
    return "skipped", ""


def _users_names() -> frozenset[str]:
    """Return the names that Dask's packages have for their users."""
    names = set(importlib.import_module("distributed").__all__)
    for module in map(importlib.import_module, _USERS_DEFINITIONS):
        names |= {name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    for module in map(importlib.import_module, _USERS_MODULES):
        public = {name for name in dir(module) if not name.startswith("_")}
        names |= {name for name in public if not isinstance(getattr(module, name), types.ModuleType)}
    return frozenset(names)


def _copy(path: str, folder: str, users: frozenset[str], suite: Suite) -> None:
    """Write a test file with its imports replaced, and beside it which tests do not count."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    tree = choose_branches(ast.parse(text))
    insiders = find_insiders(tree, users, suite.package == "distributed")
    target = os.path.join(folder, suite.name_of(path))
    with open(target, "w", encoding="utf-8") as file:
        file.write(ast.unparse(replace_imports(blank_tests(tree, insiders), users)))
    with open(f"{target}.inside", "w", encoding="utf-8") as file:
        json.dump(insiders, file)


def _run_pytest(folder: str, out: str, suite: Suite, scheduler: str, only: str) -> None:
    environment = dict(os.environ, CONFORMANCE_OUT=out, CONFORMANCE_SCHEDULER=scheduler)
    if suite.package == "distributed":
        environment["CONFORMANCE_OWN"] = "1"
        environment["CONFORMANCE_FRESH"] = ",".join(suite.fresh)
    with open(out, "w", encoding="utf-8"):
        pass
    options = ["-q", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "conformance.plugin", "--tb=short"]
    options += [
        f"--timeout={TEST_TIMEOUT_S}",
        "--timeout-method=signal",
        "-W",
        "ignore",
        "-r",
        "N",
        "--rootdir",
        folder,
    ]
    options += ["--continue-on-collection-errors", *(["-k", only] if only else [])]
    log = os.path.join(folder, "pytest.log")
    with open(log, "w", encoding="utf-8") as file:
        # The folder is on the path of the tests, not the working directory of the caller.
        to = None if os.environ.get("VERBOSE") else file
        command = [sys.executable, "-m", "pytest", folder, *options]
        run = subprocess.run(command, env=environment, cwd=folder, check=False, stdout=to, stderr=to)
    if run.returncode not in FINISHED:
        with open(log, encoding="utf-8", errors="replace") as file:
            print(file.read()[-LOG_MAX:])
        sys.exit(f"{suite.name}: pytest ended early with exit code {run.returncode}")


if __name__ == "__main__":
    sys.exit(main())
