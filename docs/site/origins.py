"""Check that a built site loads nothing from another origin: ``python origins.py FOLDER``."""

import re
import sys
from pathlib import Path

#: What a browser loads by itself. Links that a reader follows are not among them.
LOADS = [
    re.compile(r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)", re.I),
    re.compile(
        r"<link\b(?![^>]*\brel=[\"']?(?:canonical|prev|next|alternate))[^>]*\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)",
        re.I,
    ),
    re.compile(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)", re.I),
]


def find(folder):
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".html", ".css"):
            text = path.read_text(errors="replace")
            for pattern in LOADS:
                for address in pattern.findall(text):
                    yield path.relative_to(folder), address


if __name__ == "__main__":
    found = list(find(Path(sys.argv[1])))
    for path, address in found:
        print(f"{path}: loads {address}", file=sys.stderr)
    sys.exit(f"the site loads {len(found)} files from elsewhere" if found else 0)
