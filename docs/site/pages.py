"""Put the pages of the site into a folder, for mkdocs: ``python pages.py FOLDER PROGRAM``.

The documents are copied, with links to other files of the repository replaced by links to their pages or to the
repository. Reference pages are made from what the program and the package say of themselves.
"""

import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import python_reference

ROOT = Path(__file__).resolve().parents[2]
#: Files of the repository that are pages, or parts of one.
PAGES = {
    "benches/README.md": "benchmarks.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "examples/README.md": "examples.md",
    "cli/src/args/mod.rs": "reference/cli.md",
    "shared/src/limits.rs": "reference/limits.md",
}
#: Commands that the table of environment variables names, at most.
COMMANDS_SHOWN_MAX = 5
LINK = re.compile(r"(\]\()([^)\s#]*)((?:#[^)\s]*)?\))")
FENCE = re.compile(r"^(\s*```\w*)[^`\n]*$", re.MULTILINE)


def repository():
    text = (ROOT / "Cargo.toml").read_text()
    return re.search(r'^repository = "(.+)"$', text, re.MULTILINE).group(1)


def page_of(path):
    """Return the page of a file of the repository and the anchor in it, or None."""
    if path in PAGES:
        return PAGES[path], ""
    folder, name = posixpath.split(path)
    if folder == "examples" and (ROOT / path).is_file():
        return "examples.md", "#" + name.replace(".", "")
    if folder == "docs" and (ROOT / path).is_file():
        return name, ""
    return None


def convert(text, source, page):
    """Return the text of a document as that of a page: with links for the site, and fences that mkdocs reads."""

    def replace(match):
        before, target, after = match.groups()
        if not target or "://" in target or target.startswith("mailto:"):
            return match.group(0)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        found = page_of(path)
        if found is None:
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            return f"{before}{repository()}/{kind}/main/{path}{after}"
        name, anchor = found
        relative = posixpath.relpath(name, posixpath.dirname(page) or ".")
        return f"{before}{relative}{anchor + ')' if anchor else after}"

    # A new line before lists: mkdocs takes them for a part of the paragraph otherwise.
    lines, is_code, result = text.split("\n"), False, []
    for line in lines:
        is_code ^= line.lstrip().startswith("```")
        is_item = re.match(r"(\*|-|\d+\.) ", line) is not None
        if is_item and not is_code and result and result[-1].strip() and not re.match(r"(\*|-|\d+\.|\s) ?", result[-1]):
            result.append("")
        result.append(line)
    parts = re.split(r"(^```.*?^```$)", "\n".join(result), flags=re.MULTILINE | re.DOTALL)
    return "".join(FENCE.sub(r"\1", part) if at % 2 else LINK.sub(replace, part) for at, part in enumerate(parts))


def examples():
    """Return the page of examples: their table, and each of them."""
    text = (ROOT / "examples/README.md").read_text()
    for path in sorted((ROOT / "examples").iterdir()):
        if path.suffix in (".py", ".sh"):
            language = {".py": "python", ".sh": "sh"}[path.suffix]
            text += f"\n## {path.name}\n\n```{language}\n{path.read_text()}```\n"
        elif path.suffix == ".ipynb":
            text += f"\n## {path.name}\n\n[The notebook]({repository()}/blob/main/examples/{path.name})\n"
    return text


def ask(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.replace(Path(program).name, "partita")


def subcommands(text):
    listed = re.search(r"^Commands:\n(.*?)^(?=\S)", text + "\nend", re.MULTILINE | re.DOTALL)
    found = re.findall(r"^  ([a-z-]+) ", listed.group(1), re.MULTILINE) if listed else []
    return [name for name in found if name != "help"]


def variables_of(said):
    """Yield the environment variables that a help text names, with their options."""
    option = ""
    for line in said.splitlines():
        # Options are indented less than what is said of them.
        named = re.match(r" {2,6}(?:-\w, )?(--[\w-]+|\[\w+\]|<\w+>)", line)
        option = named.group(1) if named else option
        for variable in re.findall(r"\[env: (\w+)", line):
            yield variable, option


def cli(program):
    """Return the reference of the command line, from the help of each command."""
    text = ["# Commands", "", "What `partita help COMMAND` prints.", ""]
    variables = {}

    def add(words):
        # `partita slurm scale --help`, since `help` takes one word.
        said = ask(program, *words, "--help")
        name = " ".join(["partita", *words])
        text.extend([f"## {name}", "", "```text", said.rstrip(), "```", ""])
        for variable, option in variables_of(said):
            variables.setdefault((variable, option), []).append(name)
        for sub in subcommands(said):
            add([*words, sub])

    add([])
    text.extend(["## Environment variables", "", "| variable | option | commands |", "|---|---|---|"])
    for (variable, option), names in sorted(variables.items()):
        shown_names = ", ".join(f"`{name}`" for name in names) if len(names) <= COMMANDS_SHOWN_MAX else "most commands"
        text.append(f"| `{variable}` | `{option}` | {shown_names} |")
    return "\n".join(text) + "\n"


def limits():
    """Return the page of limits, from the constants that the program is built with."""
    text = (ROOT / "shared/src/limits.rs").read_text()
    rows = [
        "# Limits",
        "",
        "The constants of `shared/src/limits.rs`.",
        "",
        "| limit | value | meaning |",
        "|---|--:|---|",
    ]
    pattern = r"((?:^///[^\n]*\n)+)^pub const (\w+): [^=]+ = ([^;]+);"
    for comment, name, value in re.findall(pattern, text, re.MULTILINE):
        meaning = " ".join(line.removeprefix("///").strip() for line in comment.splitlines())
        meaning = re.sub(r"\[`(\w+)`\]", r"`\1`", meaning)
        rows.append(f"| `{name}` | {shown(value)} | {meaning} |")
    return "\n".join(rows) + "\n"


def shown(value):
    """Return a value of Rust as people write it."""
    units = {10: "KiB", 20: "MiB", 30: "GiB"}
    value = value.strip().replace("_", "")
    shift = re.fullmatch(r"(\d+) << (\d+)", value)
    if shift and int(shift.group(2)) in units:
        return f"{shift.group(1)} {units[int(shift.group(2))]}"
    duration = re.fullmatch(r"Duration::from_(\w+)\((.+)\)", value)
    if duration:
        unit = {"secs": "s", "millis": "ms"}.get(duration.group(1), duration.group(1))
        return f"{duration.group(2)} {unit}"
    return f"{int(value):,}" if value.isdigit() else f"`{value}`"


def main(folder, program):
    pages = folder / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    (pages / "reference").mkdir(parents=True)
    for path in sorted((ROOT / "docs").iterdir()):
        if path.suffix == ".md":
            text = convert(path.read_text(), f"docs/{path.name}", path.name)
            (pages / path.name).write_text(text)
        elif path.suffix in (".svg", ".png"):
            shutil.copy(path, pages / path.name)
    for source in ("benches/README.md", "ARCHITECTURE.md", "CHANGELOG.md"):
        text = convert((ROOT / source).read_text(), source, PAGES[source])
        (pages / PAGES[source]).write_text(text)
    (pages / "examples.md").write_text(convert(examples(), "examples/README.md", "examples.md"))
    (pages / "reference/cli.md").write_text(cli(program))
    (pages / "reference/limits.md").write_text(limits())
    names = python_reference.write(pages / "reference")
    entries = "\n".join(f"          - {name}: reference/{page}" for name, page in names)
    config = (Path(__file__).parent / "mkdocs.yml").read_text()
    (folder / "mkdocs.yml").write_text(config.replace("Python: PYTHON_PAGES", f"Python:\n{entries}"))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
