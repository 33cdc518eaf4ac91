"""Marks sentences in the output of examples, so that they are wrapped and not cut off.

The lines of a printed table must stay as they are, and the block can be scrolled if they are
too long. The sentences that a plan or `rungs_` prints below its table are wrapped.
"""

import re

LONGEST_LINE = 60
OUTPUT = re.compile(r'<span class="go">([^<\n]*)</span>')


def is_sentence(text):
    """Return whether a line is long, and has no columns."""
    return len(text) > LONGEST_LINE and "  " not in text.strip()


def mark_sentences(app, page, template, context, doctree):
    """Give the sentences in the output of examples a class of their own."""
    if "body" in context:
        context["body"] = OUTPUT.sub(
            lambda line: (
                line[0].replace('class="go"', 'class="go sentence"')
                if is_sentence(line[1])
                else line[0]
            ),
            context["body"],
        )


def setup(app):
    """Change the pages just before they are written."""
    app.connect("html-page-context", mark_sentences)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
