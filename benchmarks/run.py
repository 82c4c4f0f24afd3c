"""Run the measurements: `python3 dev.py bench [name] [its options]`; all of them, in their usual sizes, without a name.

Each is a module of this folder with a `main(arguments)`.
"""

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = sorted(file.stem for file in HERE.glob("*.py") if file.stem not in {"run", "common", "billing_only"})


def main(arguments: list[str]) -> int:
    names = arguments[:1] if arguments and not arguments[0].startswith("-") else NAMES
    if set(names) - set(NAMES):
        print(f"There is no {names[0]}. There are: {', '.join(NAMES)}.")
        return 2
    options = arguments[1:] if names == arguments[:1] else arguments
    for name in names:
        print(f"--- {name}", flush=True)
        importlib.import_module(name).main(options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
