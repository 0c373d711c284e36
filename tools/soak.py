"""Runs generated cases, good and bad, and reports every one that goes wrong.

    python tools/soak.py --cases 12000
    python tools/soak.py --seed 0 --case assign:417

A case is right when its result equals that of an oracle, or when what is wrong with it
is refused by an error that says what to do. The second line repeats one case.
"""

from __future__ import annotations

import argparse
import random
import sys
import warnings
from collections import Counter

from soaks.kinds import KINDS

from mmengine.registry import init_default_scope
from tqdm import tqdm


def main() -> None:
    """Runs what the command line says."""
    args = parse_args()
    init_default_scope('mmdet')
    if args.case:
        kind, number = args.case.split(':')
        print(run(kind, args.seed, int(number)))
        return
    each = -(-args.cases // len(args.kinds))
    outcomes = {kind: soak(kind, args.seed, each) for kind in args.kinds}
    print(f'seed {args.seed}, {each * len(args.kinds):,} cases')
    for kind, counts in outcomes.items():
        print(f'{kind:20}', *(f'{what} {n:,}' for what, n in sorted(counts.items())))
    if any(counts['wrong'] for counts in outcomes.values()):
        sys.exit('Some cases went wrong, see above.')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'kinds', nargs='*', metavar='KIND', help=f'of {", ".join(KINDS)}; else all'
    )
    parser.add_argument('--cases', type=int, default=12_000, help='in all (12,000)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--case', metavar='KIND:NUMBER', help='run a single case')
    args = parser.parse_args()
    args.kinds = args.kinds or list(KINDS)
    unknown = set(args.kinds) - set(KINDS)
    if unknown:
        parser.error(f'no kind {", ".join(sorted(unknown))}: {", ".join(KINDS)}')
    return args


def run(kind: str, seed: int, number: int) -> str:
    """The outcome of one case."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return KINDS[kind](random.Random(f'{seed} {kind} {number}'))


def soak(kind: str, seed: int, cases: int) -> Counter[str]:
    """How often which outcome came of the cases of a kind."""
    counts: Counter[str] = Counter()
    for number in tqdm(range(cases), kind, unit='case', mininterval=1):
        try:
            counts[run(kind, seed, number)] += 1
        except Exception as error:
            counts['wrong'] += 1
            tqdm.write(f'{type(error).__name__}: {str(error).strip()[:300]}')
            tqdm.write(f'again: tools/soak.py --seed {seed} --case {kind}:{number}')
    return counts


if __name__ == '__main__':
    main()
