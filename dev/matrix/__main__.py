"""Tests the plugin with other versions of Python, torch and OpenMMLab's packages.

Usage: python dev/matrix [--rows '3.12 onedl']

For each row: creates an environment in build/matrix, which later calls reuse, and runs
the quick tests and one training, test, resume, export and prediction. Writes the table
to build/matrix.md and the output to build/matrix/ROW.log.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from report import QUICK, STEPS, first_line_of_error, is_good, quick_tests_cell, table
from rows import ROWS, Row, choose, find_python

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / 'build' / 'matrix'
TABLE = ROOT / 'build' / 'matrix.md'
QUICK_TESTS = ('-m', 'pytest', '-m', 'not slow', '--continue-on-collection-errors')


def main() -> None:
    """Runs the rows one after the other; exits with 1 if anything failed."""
    BUILD.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, str]] = []
    for row in _parse_args().rows:
        results.append(try_row(row))
        TABLE.write_text(table(results))
    print(f'\n{TABLE.read_text()}\n{TABLE}')
    cells = [row[name] for row in results for name in (QUICK, *STEPS) if name in row]
    sys.exit(not all(map(is_good, cells)))


def try_row(row: Row) -> dict[str, str]:
    """Creates the environment of a row and runs everything in it.

    Returns:
        Column to cell.
    """
    python = find_python(row.python)
    if python is None:
        return {'Python': f'{row.python}: not run, no python{row.python} found'}
    print(f'\n== {row.name} ({python})', flush=True)
    venv, log = BUILD / row.name, BUILD / f'{row.name}.log'
    log.write_text('')
    command = [python, ROOT / 'dev/setup_env', '--venv', venv, '--dev', *row.options]
    status, output = _run(command, log)
    if status:
        return {'Python': row.python, QUICK: first_line_of_error(output)}
    return try_environment(_python_of(venv), log)


def try_environment(python: Path, log: Path) -> dict[str, str]:
    """Runs the quick tests and the smoke test.

    Returns:
        Column to cell.
    """
    versions = json.loads(_run([python, HERE / 'versions.py'], log)[1])
    quick = quick_tests_cell(_run([python, *QUICK_TESTS], log)[1])
    with tempfile.TemporaryDirectory() as folder:
        status, output = _run([python, HERE / 'smoke.py', folder], log)
        if status:
            steps = dict.fromkeys(STEPS, first_line_of_error(output))
        else:
            steps = json.loads((Path(folder) / 'smoke.json').read_text())
    return {**versions, QUICK: quick, **steps}


def _run(command: list[str | Path], log: Path) -> tuple[int, str]:
    """Runs a command in the root of the checkout and shows and logs its output.

    Returns:
        Its exit status and output.
    """
    lines = []
    with log.open('a', encoding='utf-8') as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
        )
        for line in process.stdout:
            lines.append(line)
            file.write(line)
            print(line, end='', flush=True)
    return process.wait(), ''.join(lines)


def _python_of(venv: Path) -> Path:
    """Returns the interpreter of an environment, on Windows and elsewhere."""
    places = (venv / 'Scripts/python.exe', venv / 'bin/python')
    return next(path for path in places if path.exists())


def _parse_args() -> argparse.Namespace:
    names = ', '.join(row.name for row in ROWS)
    parser = argparse.ArgumentParser(
        prog='matrix',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rows', default='', help=f'some of {names}; default: all')
    args = parser.parse_args()
    try:
        args.rows = choose(args.rows.split())
    except ValueError as error:
        parser.error(str(error))
    return args


if __name__ == '__main__':
    main()
