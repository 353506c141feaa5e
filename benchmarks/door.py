"""A thousand generated files of the kinds that were misread: what became of each, against the generator's truth.

Each file is made, staged and judged in a process of its own, which is ended if it takes longer than a minute. A file is
"right", "told" (rejected rows are counted, or the file is refused, with the line to write where there is one, and that line
mends it), or wrong in one of the ways that ``tests/door/judge.py`` names.
Usage: python benchmarks/door.py [--files N] [--seed FIRST] [--largest ROWS]; exit 1 if any is wrong
"""

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from door.generate import draw_case
from door.judge import GOOD, VERDICTS, judge

SECONDS = 60


def judged(seed: int, largest: int) -> dict[str, str]:
    """Judge the case of a seed in a child process: a reader that never ends, or ends its process, is found too."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, wherever it is
        signal.alarm(SECONDS)
        case = draw_case(seed, largest)
        with os.fdopen(sending, "w") as pipe:
            pipe.write(json.dumps({"kind": case.kind, "name": case.name, "rows": len(case.rows)}) + "\n")
            pipe.flush()
            found = judge(case)
            pipe.write(json.dumps({"word": found.word, "why": found.why}) + "\n")
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as pipe:
        lines = [json.loads(line) for line in pipe.read().splitlines()]
    os.waitpid(child, 0)
    ended = {"word": "CRASH", "why": f"no answer within {SECONDS} s, or the process ended"}
    return (lines[0] if lines else {"kind": "?", "name": "?", "rows": 0}) | (lines[1] if len(lines) > 1 else ended)


def measure(files: int, first: int, largest: int) -> dict[str, Counter[str]]:
    """Judge the cases of consecutive seeds, printing a line of each that is wrong; return the verdicts by kind."""
    table = defaultdict(Counter)
    for seed in range(first, first + files):
        found = judged(seed, largest)
        table[found["kind"]][found["word"]] += 1
        if found["word"] not in GOOD:
            case = f"seed {seed}: {found['kind']}, {found['name']}, {found['rows']} rows"
            print(f"{case}: {found['word']}: {found['why'][:300]!r}", flush=True)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1_000)
    parser.add_argument("--largest", type=int, default=5_000)
    given = parser.parse_args()
    start = time.monotonic()
    table = measure(given.files, given.seed, given.largest)
    wrong = sum(counts[word] for counts in table.values() for word in VERDICTS if word not in GOOD)
    print(f"{'kind':18}" + "".join(f"{word:>12}" for word in VERDICTS))
    for kind in sorted(table):
        print(f"{kind:18}" + "".join(f"{table[kind][word]:>12}" for word in VERDICTS))
    print(f"{given.files} files, {wrong} wrong, {time.monotonic() - start:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
