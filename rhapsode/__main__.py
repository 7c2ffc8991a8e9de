"""`python -m rhapsode`: the command, or, with `--child`, one of the supervisor's processes."""

import sys

if __name__ == "__main__":
    if sys.argv[-2:-1] == ["--child"]:
        from rhapsode.children import main as child_main

        sys.exit(child_main(int(sys.argv[-1])))
    from rhapsode.cli import main

    sys.exit(main())
