"""Makes the output of examples fit the page: tables are made smaller, sentences are wrapped.

The lines of a printed table must stay as they are, so a block is told how many columns its
tables take, and the style sheet makes its type small enough. The sentences that a plan or
`rungs_` prints below its table are marked, and wrapped.
"""

import re

LONGEST_LINE = 60
BLOCK = re.compile(
    r'<div class="[^"]*highlight-(?P<language>\w+) notranslate"[^>]*><div class="highlight">'
    r"<pre>(?P<text>.*?)</pre>",
    re.DOTALL,
)
OUTPUT = re.compile(r'<span class="go">([^<\n]*)</span>')
LINE = re.compile(r"^((?:<span></span>)?)(.+)$", re.MULTILINE)
SENTENCE, TABLE = '<span class="go sentence">', '<span class="go">'


def is_sentence(text):
    """Return whether a line is long, and has no columns."""
    return len(text) > LONGEST_LINE and "  " not in text.strip()


def marked(line):
    """Return a line of output as a sentence, or as it is."""
    return f"{SENTENCE if is_sentence(line) else TABLE}{line}</span>"


def fit(block):
    """Return a block of code or output with marked lines, and the width of its tables."""
    text = block["text"]
    if block["language"] in ("none", "text"):
        text = LINE.sub(lambda line: line[1] + marked(line[2]), text)
    else:
        text = OUTPUT.sub(lambda line: marked(line[1]), text)
    lines = [line for line in OUTPUT.findall(text) if not is_sentence(line)]
    columns = max(map(len, lines), default=1)
    return block[0].replace(f"<pre>{block['text']}", f'<pre style="--columns:{columns}">{text}')


def fit_blocks(app, page, template, context, doctree):
    """Fit all blocks of a page."""
    if "body" in context:
        context["body"] = BLOCK.sub(fit, context["body"])


def setup(app):
    """Change the pages just before they are written."""
    app.connect("html-page-context", fit_blocks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
