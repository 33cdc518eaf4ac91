"""What is written to a journal, for tests and for the programs that they start.

The programs import this module, so that it imports neither pytest nor Hypothesis.
"""

from skhyperband._journal.entries import Entry

IDENTITY = {"estimator": "package.Class", "X": "array (3, 2) 00ff", "y": "array (3,) 11"}
ENTRY = Entry('{"C": 1}', 9, 0, 0.5, None, 0.25, 0.125, 6, None, None, 1e9)
