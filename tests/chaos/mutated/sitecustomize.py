"""Found by the interpreters whose path begins with this folder: they run under the mutant `CHAOS_MUTANT`."""

import os
import sys

if "rhapsode" in sys.orig_argv:
    from tests.support.mutants import mutated

    mutant = mutated(os.environ["CHAOS_MUTANT"])
    mutant.__enter__()
