#!/usr/bin/env python3
"""Draws what a terminal shows as an SVG: docs/images/watch.svg is made with it.

    tmux new-session -d -s plumb -x 112 -y 12 plumb watch erasers -n inspection
    tmux capture-pane -e -p -t plumb | hack/picture/svg.py "plumb watch erasers" > docs/images/watch.svg

Needs the packages of requirements.txt: pip install --require-hashes -r hack/picture/requirements.txt
"""

import io
import sys

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

# rich's own format loads fonts from another site. This one names fonts that machines have.
FORMAT = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""


def main(title: str) -> None:
    text = sys.stdin.read().rstrip("\n")
    lines = [Text.from_ansi(line) for line in text.split("\n")]
    width = max(line.cell_len for line in lines)
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line, no_wrap=True, crop=False)
    print(console.export_svg(title=title, theme=MONOKAI, code_format=FORMAT, unique_id="plumb"))


if __name__ == "__main__":
    main(sys.argv[1])
