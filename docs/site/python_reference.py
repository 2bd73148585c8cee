"""Reference pages of the Python package, from its docstrings."""

import importlib
import inspect
import re

#: The modules of the public interface.
MODULES = [
    "partita",
    "partita.dataframe",
    "partita.array",
    "partita.bag",
    "partita.distributed",
    "partita.jobqueue",
    "partita.config",
    "partita.datasets",
    "partita.diagnostics",
    "partita.dataframe.utils",
]
#: Classes that users get, but do not create by their names.
RESULTS = {
    "partita.dataframe": [
        f"partita.dataframe.{path}" for path in ("_groupby.GroupBy", "_windows.Resampler", "_rolling.Rolling")
    ]
}
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)


def write(folder):
    """Write a page for each module. Return their names and files."""
    pages = []
    for name in MODULES:
        module = importlib.import_module(name)
        file = name.replace(".", "-") + ".md"
        (folder / file).write_text(page(name, module))
        pages.append((name, file))
    return pages


def page(name, module):
    text = [f"# {name}", "", prose(inspect.getdoc(module) or ""), ""]
    for label in sorted(getattr(module, "__all__", []), key=str.lower):
        value = getattr(module, label, None)
        if inspect.ismodule(value):
            continue
        if inspect.isclass(value):
            text += of_class(label, value)
        elif callable(value) and inspect.getdoc(value):
            text += of_function(label, value, "##")
    for path in RESULTS.get(name, []):
        owner, _, label = path.rpartition(".")
        text += of_class(label, getattr(importlib.import_module(owner), label))
    return "\n".join(text) + "\n"


def of_class(label, value):
    text = [f"## class {label}", "", *signature(label, value), docstring(value), ""]
    for name, member in inspect.getmembers(value):
        if name.startswith("_") or not inspect.getdoc(member) or is_inherited(value, name):
            continue
        if isinstance(member, property):
            text += [f"### {label}.{name}", "", docstring(member), ""]
        elif callable(member):
            text += of_function(f"{label}.{name}", member, "###")
    return text


def is_inherited(value, name):
    """Whether a member is that of a class of another package, such as an exception's."""
    owner = next((base for base in value.__mro__ if name in vars(base)), value)
    return not (owner.__module__ or "").startswith("partita")


def of_function(label, value, heading):
    return [f"{heading} {label}", "", *signature(label, value), docstring(value), ""]


def signature(label, value):
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return []
    text = re.sub(r"<([\w.]+)[^>]*>", r"\1", text).replace("(self, ", "(").replace("(self)", "()")
    text = re.sub(r"'([\w\[\], .|]+)'", r"\1", text) if "->" in text else text
    return ["```python", f"{label}{text}", "```", ""]


def docstring(value):
    text = inspect.getdoc(value) or ""
    parts = SECTION.split(text)
    result = [prose(parts[0].strip()), ""]
    for title, body in zip(parts[1::2], parts[2::2]):
        result += [f"**{title}**", ""]
        if title in ("Examples", "Example"):
            result += examples(body)
        elif title in ("Parameters", "Returns", "Raises", "Yields", "Attributes", "Other Parameters"):
            result += entries(body)
        else:
            result += [prose(body.strip()), ""]
    return "\n".join(result)


def entries(body):
    """Return the entries of a section as a list."""
    result = []
    for line in body.strip("\n").split("\n"):
        if line.strip() and not line.startswith(" "):
            label, _, kind = line.partition(" : ")
            result.append(f"- `{label}`" + (f": {prose(kind)}" if kind else ""))
        elif line.strip():
            result.append(f"  {prose(line.strip())}")
    return [*result, ""]


def examples(body):
    """Return doctests as blocks of code, and the text between them as text."""
    result, is_code = [], False
    for line in body.strip("\n").split("\n"):
        starts = line.startswith(">>>")
        if starts and not is_code:
            result += ["", "```pycon"]
            is_code = True
        elif is_code and not line.strip():
            result.append("```")
            is_code = False
        result.append(line if is_code else prose(line))
    return [*result, "```", ""] if is_code else [*result, ""]


def prose(text):
    """Return the text of a docstring as Markdown."""
    text = re.sub(r":\w+:`~?([^`<]+)(?:<[^`]*)?`", r"``\1``", text)
    parts = re.split(r"(``[^`]+``|`[^`]+`)", text)
    for at, part in enumerate(parts):
        if at % 2:
            parts[at] = f"`{part.strip('`').strip()}`"
        else:
            parts[at] = part.replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[").replace("_", "\\_")
    return "".join(parts)
