#!/usr/bin/env python3
"""Blocks of the documentation as files and as quotations.

    snippets.py extract PAGE.md FOLDER    writes each block "```cpp NAME" to FOLDER/NAME
    snippets.py quotes ROOT               holds blocks "```LANGUAGE in FILE" and "```LANGUAGE whole
                                          FILE" of ROOT/README.md and ROOT/docs to FILE

A quotation "in" a file must stand there line by line, in one piece; indentation may differ. One of
a "whole" file must be that file.
"""
import pathlib
import re
import sys

QUOTATION = re.compile(r"(in|whole) (\S+)$")
BLOCK = re.compile(r"^```(\w+) ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return [(info, body) for _, info, body in BLOCK.findall(page.read_text(encoding="utf-8"))]


def extract(page, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for info, body in blocks(page):
        if not QUOTATION.match(info):
            (folder / info).write_text(body, encoding="utf-8")


def stripped(text):
    return "\n".join(line.strip() for line in text.splitlines())


def quotes(root):
    checked, faults = 0, []
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for info, body in blocks(page):
            quotation = QUOTATION.match(info)
            if not quotation:
                continue
            checked += 1
            extent, name = quotation.groups()
            source = root / name
            if not source.is_file():
                faults.append(f"{page.name} quotes {name}, which does not exist")
                continue
            said = source.read_text(encoding="utf-8")
            if extent == "whole" and body != said:
                faults.append(f"{page.name} quotes {name} as a whole, but it differs")
            elif stripped(body) not in stripped(said):
                faults.append(f"{page.name} quotes {name}, which does not say:\n{body}")
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
