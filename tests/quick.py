"""How much the tests try: `DGENLAZY_EVERY=1` all; by default what is long is short, and tables and examples are fewer."""

import os

EVERY = int(os.environ.get("DGENLAZY_EVERY", "48"))  # of the cases of a table beside the first of each op: one in so many
THOROUGH = EVERY == 1
SHARE, SHARES = map(int, os.environ.get("DGENLAZY_SHARE", "0/1").split("/"))  # of tests with rows, which share of the rows
EXAMPLES = int(os.environ.get("DGENLAZY_EXAMPLES", 100 if THOROUGH else 40))  # of a property
