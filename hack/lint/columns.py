#!/usr/bin/env python3
"""Names every line of Markdown, shell and Python that is longer than 120 columns; a tab counts as four.

golangci-lint's lll does the same for Go. A line that cannot be broken is let through: a row of a Markdown table, and a
line that is long because of one word without a space, such as a link.

    columns.py FILE...
"""

import sys

LIMIT = 120


def too_long(line: str, markdown: bool) -> bool:
    """Reports whether a line is longer than LIMIT and could be broken."""
    text = line.rstrip("\n").expandtabs(4)
    if len(text) <= LIMIT:
        return False
    if markdown and text.lstrip().startswith("|"):
        return False
    indent = len(text) - len(text.lstrip())
    return all(indent + len(word) <= LIMIT for word in text.split())


def main(paths: list[str]) -> int:
    found = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if too_long(line, path.endswith(".md")):
                    found += 1
                    print(f"{path}:{number}: {len(line.rstrip().expandtabs(4))} columns, {LIMIT} are allowed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
