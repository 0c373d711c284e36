"""Runs generated cases, valid and invalid, and reports every failure.

    cd tests
    python -m fuzz --cases 12000
    python -m fuzz --seed 0 --case assign:417

A case passes if its result equals that of an oracle, or if an invalid input is refused
with an error that tells what to do. The last command repeats one case.
"""

from __future__ import annotations

import argparse
import random
import sys
import warnings
from collections import Counter

from mmengine.registry import init_default_scope
from tqdm import tqdm

from fuzz.kinds import KINDS


def main() -> None:
    """Command line."""
    args = parse_args()
    init_default_scope('mmdet')
    if args.case:
        kind, number = args.case.split(':')
        print(run(kind, args.seed, int(number)))
        return
    each = -(-args.cases // len(args.kinds))
    outcomes = {kind: fuzz(kind, args.seed, each) for kind in args.kinds}
    print(f'seed {args.seed}, {each * len(args.kinds):,} cases')
    for kind, counts in outcomes.items():
        print(f'{kind:20}', *(f'{what} {n:,}' for what, n in sorted(counts.items())))
    if any(counts['failed'] for counts in outcomes.values()):
        sys.exit('Some cases failed, see above.')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog='fuzz',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'kinds', nargs='*', metavar='KIND', help=f'default: all of {", ".join(KINDS)}'
    )
    parser.add_argument(
        '--cases', type=int, default=12_000, help='total number (default: 12,000)'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--case', metavar='KIND:NUMBER', help='run a single case')
    args = parser.parse_args()
    args.kinds = args.kinds or list(KINDS)
    unknown = set(args.kinds) - set(KINDS)
    if unknown:
        parser.error(f'no kind {", ".join(sorted(unknown))}: {", ".join(KINDS)}')
    return args


def run(kind: str, seed: int, number: int) -> str:
    """Runs one case and returns its outcome."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return KINDS[kind](random.Random(f'{seed} {kind} {number}'))


def fuzz(kind: str, seed: int, cases: int) -> Counter[str]:
    """Runs cases of one kind and counts their outcomes."""
    counts: Counter[str] = Counter()
    for number in tqdm(range(cases), kind, unit='case', mininterval=1):
        try:
            counts[run(kind, seed, number)] += 1
        except Exception as error:
            counts['failed'] += 1
            tqdm.write(f'{type(error).__name__}: {str(error).strip()[:300]}')
            tqdm.write(f'repeat: python -m fuzz --seed {seed} --case {kind}:{number}')
    return counts


if __name__ == '__main__':
    main()
