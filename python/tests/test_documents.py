"""The blocks of code in the documents run, and print what stands below them.

All blocks of a document run one after the other in one folder, as one shell script: ``sh`` blocks as they stand,
``python`` blocks as scripts, ``sql`` blocks with ``partita sql``. A ``text`` block directly after a block is what it
prints; ``…`` in it stands for anything. The line that begins a block may say more, in parentheses:

- ``(not run: WHY)``: the block does not run here.
- ``(needs: PACKAGE)``: it runs only where the package is installed.

The job scripts of the guides to Slurm run in the tests with a real Slurm.
"""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from partita._binary import find_program

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("*.md"),
        ROOT / "python/README.md",
        ROOT / "examples/README.md",
        ROOT / "packaging/README.md",
    ]
)
#: Documents whose scripts run elsewhere, on a real Slurm.
OF_SLURM = ("docs/slurm.md", "docs/slurm.fr.md")
#: Languages that run, and those of outputs and drawings, which do not.
RUN = ("python", "sh", "sql")
SHOWN = ("", "text", "json")
#: Time for all blocks of a document on a busy machine, in seconds.
TIMEOUT_S = 500

#: Stops at the first error, and ends what runs in the background.
BEGINNING = """
set -euo pipefail
trap 'code=$?; kill $(jobs -p) 2>/dev/null || true; wait; exit $code' EXIT
"""
#: A cluster with the name that the documents use, and some jobs.
CLUSTER = """
export PARTITA_LOG=warn
partita scheduler --port 0 --host 127.0.0.1 --name NAME &
partita worker --nworkers 2 --nthreads 1 --cluster NAME &
partita wait --workers 2 --cluster NAME
for number in 1 2 3 4 5 6 7 8; do partita sql --cluster NAME "select $number" >sql.txt; done
export PARTITA_SCHEDULER=$(jq -r .address ~/.partita/NAME.json) PARTITA_TOKEN=$(jq -r .token ~/.partita/NAME.json)
"""
#: What runs before the blocks of a document.
PREPARED = {
    "docs/rest-api.md": CLUSTER,
    "docs/metrics.md": CLUSTER,
    "docs/coming-from-dask.md": CLUSTER,
}
MARK = "--- block"


@dataclass
class Block:
    """A block of code."""

    language: str
    #: The line at which it begins.
    line: int
    text: str
    why_not: str = ""
    needs: str = ""
    output: "str | None" = None


def find_blocks(text):
    """Return the blocks of code of a document, in their order."""
    blocks, lines = [], iter(enumerate(text.splitlines(), start=1))
    last_end = 0
    for number, line in lines:
        if not line.startswith("```"):
            continue
        # Without backticks, which may not follow a fence.
        match = re.fullmatch(r"```(\w*)(?: setup)?(?: \((not run|needs): ([^`]+)\))?", line)
        assert match, f"line {number}: cannot read `{line}`"
        language, key, value = match.groups()
        inside = []
        for last_end_now, inner in lines:  # noqa: B007
            if inner == "```":
                break
            inside.append(inner)
        body = "\n".join(inside) + "\n"
        follows = blocks and number <= last_end + 2
        last_end = last_end_now
        if language == "text" and follows and blocks[-1].output is None:
            blocks[-1].output = body
        block = Block(language, number, body)
        if key == "not run":
            block.why_not = value
        elif key == "needs":
            block.needs = value
        blocks.append(block)
    return blocks


def is_missing(package):
    return bool(package) and importlib.util.find_spec(package) is None


def as_script(block, folder):
    """Return a block as commands of the shell. Its text may be written to a file."""
    if block.language == "sh":
        return block.text
    path = folder / f"block-{block.line}.{block.language}"
    path.write_text(block.text)
    if block.language == "sql":
        return f"partita sql -f {path.name}\n"
    return f"python {path.name}\n"


def matches(printed, expected):
    def lines(text):
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())

    pattern = ".*".join(re.escape(part) for part in lines(expected).split("…"))
    return re.fullmatch(pattern, lines(printed), re.DOTALL) is not None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_blocks_run_or_say_why_not(name):
    """No block is silently left out, and what its language is called is known."""
    if name in OF_SLURM:
        return
    for block in find_blocks((ROOT / name).read_text()):
        assert block.language in (*RUN, *SHOWN) or block.why_not, (
            f"{name}:{block.line}: `{block.language}` does not run"
        )


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in OF_SLURM])
def test_document(name, tmp_path):
    blocks = [block for block in find_blocks((ROOT / name).read_text()) if block.language in RUN and not block.why_not]
    blocks = [block for block in blocks if not is_missing(block.needs)]
    if not blocks:
        pytest.skip("no block of it runs")
    programs, work = tmp_path / "bin", tmp_path / "work"
    programs.mkdir()
    work.mkdir()
    (programs / "partita").symlink_to(find_program())
    # Not a link: Python finds its environment by the path by which it was started.
    (programs / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (programs / "python").chmod(0o755)
    script = BEGINNING + PREPARED.get(name, "")
    for block in blocks:
        script += f"echo; echo '{MARK} {block.line}'\n{as_script(block, work)}"
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PARTITA_", "SLURM_"))}
    variables |= {
        "HOME": str(tmp_path),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "python"),
        "PARTITA_PROGRAM": str(find_program()),
        "PARTITA_LOG": "warn",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=work,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    parts = re.split(rf"^{MARK} (\d+)\n", done.stdout, flags=re.MULTILINE)
    printed = dict(zip(map(int, parts[1::2]), parts[2::2]))
    last = max(printed, default=0)
    assert done.returncode == 0, f"{name}:{last} failed\n{printed.get(last)}\n{done.stderr}"
    for block in blocks:
        if block.output is not None:
            got = printed[block.line]
            assert matches(got, block.output), f"{name}:{block.line} printed\n{got}\nnot\n{block.output}"


def anchors(path):
    """Return the anchors of a document, as GitHub makes them of its headings."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links(name):
    """Each link to another file of the repository leads to a file and a heading that exist."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target, anchor in re.findall(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)", text):
        if "://" in target:
            continue
        path = (ROOT / name).parent / target if target else ROOT / name
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(f"{target}#{anchor}")
    assert broken == []
