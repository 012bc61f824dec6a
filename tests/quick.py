"""How much the tests try: `DGENLAZY_EVERY=1` all; by default what is long is short, and tables and examples are fewer."""

import os

EVERY = int(os.environ.get("DGENLAZY_EVERY", "24"))  # of the cases of a table beside the first of each op: one in so many
THOROUGH = EVERY == 1
EXAMPLES = int(os.environ.get("DGENLAZY_EXAMPLES", 100 if THOROUGH else 40))  # of a property
