#!/usr/bin/env python3
"""Blocks of the documentation as files and as quotations.

    snippets.py extract PAGE.md FOLDER    writes each block "```cpp NAME" to FOLDER/NAME
    snippets.py quotes ROOT               holds blocks "```LANGUAGE in FILE" of ROOT/docs to FILE

A quotation must stand in its file line by line, in one piece; indentation may differ.
"""
import pathlib
import re
import sys

BLOCK = re.compile(r"^```(\w+) ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return [(info, body) for _, info, body in BLOCK.findall(page.read_text(encoding="utf-8"))]


def extract(page, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for info, body in blocks(page):
        if not info.startswith("in "):
            (folder / info).write_text(body, encoding="utf-8")


def stripped(text):
    return "\n".join(line.strip() for line in text.splitlines())


def quotes(root):
    checked, faults = 0, []
    for page in sorted((root / "docs").rglob("*.md")):
        for info, body in blocks(page):
            if not info.startswith("in "):
                continue
            checked += 1
            source = root / info[3:]
            if not source.is_file():
                faults.append(f"{page.name} quotes {info[3:]}, which does not exist")
            elif stripped(body) not in stripped(source.read_text(encoding="utf-8")):
                faults.append(f"{page.name} quotes {info[3:]}, which does not say:\n{body}")
    print(f"{checked} quotations")
    if faults or not checked:
        sys.exit("\n".join(faults) or "no quotations found")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "extract":
        extract(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    elif len(sys.argv) == 3 and sys.argv[1] == "quotes":
        quotes(pathlib.Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
