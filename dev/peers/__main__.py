"""Compares detectors trained from scratch on BCCD: table and plot.

Usage: python dev/peers [--seeds 0,1,2] [--rates 3] [--epochs 12] [--only 'atss yolox']

All detectors share data, kinds of augmentation, optimizer and schedule. For each,
the first `--rates` learning rates of its list are tried with the first seed. The rate
with the highest AP on val.json is trained with all seeds and tested on test.json.
Finished trainings are kept in the work directory, interrupted ones continue. Trainings
run one after the other, each in one thread. docs/custom_data.md describes the data.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from peer_list import PEERS, ROOT, Peer, Trial, choose_peers
from peer_table import AP, Row, best_rate, plot, table

from mmdet_centernet.files import write_bytes, write_figure

RUN_TRIAL = Path(__file__).resolve().with_name('run_trial.py')
DATA = ROOT / 'data' / 'bccd'
SHOWN = ('Epoch(', 'Resumed', 'Error')

Run = Callable[[Trial, str], dict]
"""Trains a detector unless that is done; returns its results on a split."""


def main() -> None:
    """Trains and tests; writes table and plot after each result."""
    args = _parse_args()
    if not (DATA / 'images').is_dir():
        sys.exit(f'{DATA} holds no images: see docs/custom_data.md')
    work_dir = args.work_dir.absolute()
    rows: dict[str, Row] = {}
    for name, row in compare(
        args.only, args.seeds, args.rates, args.epochs, Runs(work_dir)
    ):
        rows[name] = row
        done = [rows[peer.name] for peer in PEERS if peer.name in rows]
        write_bytes(work_dir / 'peers.md', table(done).encode())
        write_figure(work_dir / 'peers.png', plot(done))
    print(f'\n{table(list(rows.values()))}\n{work_dir / "peers.md"}')


def compare(
    peers: Sequence[Peer], seeds: Sequence[int], rates: int, epochs: int, run: Run
) -> Iterator[tuple[str, Row]]:
    """Chooses learning rates on val.json, then tests on test.json.

    Args:
        peers: Detectors.
        seeds: The first is used for choosing, too.
        rates: How many learning rates are tried.
        epochs: Length of each training.
        run: Trains and evaluates.

    Yields:
        Name of a peer and its row, once per peer and seed.
    """
    tried: dict[str, dict[float, float]] = {peer.name: {} for peer in peers}
    for number in range(rates):
        for peer in peers:
            rate = peer.rates[number]
            results = run(Trial(peer, rate, seeds[0], epochs), 'val')
            tried[peer.name][rate] = results['metrics'][AP]
    rows = {
        peer.name: Row(peer.label, tried[peer.name], best_rate(tried[peer.name]), ())
        for peer in peers
    }
    for seed in seeds:
        for peer in peers:
            row = rows[peer.name]
            results = run(Trial(peer, row.rate, seed, epochs), 'test')
            rows[peer.name] = row._replace(results=(*row.results, results))
            yield peer.name, rows[peer.name]


class Runs:
    """Runs trainings as processes of their own and keeps their results.

    Args:
        work_dir: Folder of results.
    """

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir

    def __call__(self, trial: Trial, split: str) -> dict:
        """Returns the results on a split, from their file if it exists."""
        folder = self.work_dir / trial.folder
        file = folder / f'{split}.json'
        if not file.exists():
            print(f'\n== {trial.folder}, {split}.json', flush=True)
            _run(_command(trial, folder, split), folder / 'log.txt')
        results = json.loads(file.read_text())
        print(f'{trial.folder}, {split}.json: AP {results["metrics"][AP]:.3f}')
        return results


def _command(trial: Trial, folder: Path, split: str) -> list[str | Path]:
    options = dict(rate=trial.rate, seed=trial.seed, epochs=trial.epochs, split=split)
    arguments = [f'--{name}={value}' for name, value in options.items()]
    return [sys.executable, RUN_TRIAL, trial.peer.config, folder, *arguments]


def _run(command: list[str | Path], log: Path) -> None:
    """Runs a command in the root of the checkout and prints its progress.

    Raises:
        SystemExit: If it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a', encoding='utf-8') as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
        )
        for line in process.stdout:
            file.write(line)
            file.flush()
            if any(word in line for word in SHOWN):
                print(line, end='', flush=True)
    if process.wait():
        raise SystemExit(f'The training failed, see {log}; the same command continues.')


def _environment() -> dict[str, str]:
    """Returns the environment of a training: one thread, this checkout's package."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    return dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=path)


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='peers',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ' '.join(peer.name for peer in PEERS)
    most = min(len(peer.rates) for peer in PEERS)
    parser.add_argument('--seeds', type=_seeds, default='0,1,2', help='default: 0,1,2')
    parser.add_argument('--rates', type=int, choices=range(1, most + 1), default=most)
    parser.add_argument('--epochs', type=int, default=12, help='default: 12')
    parser.add_argument('--only', default='', help=f'some of {names}; default: all')
    parser.add_argument(
        '--work-dir', type=Path, default=ROOT / 'work_dirs' / 'peers', metavar='FOLDER'
    )
    args = parser.parse_args()
    try:
        args.only = choose_peers(args.only.split())
    except ValueError as error:
        parser.error(str(error))
    return args


def _seeds(text: str) -> list[int]:
    return [int(seed) for seed in text.split(',')]


if __name__ == '__main__':
    main()
