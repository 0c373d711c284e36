"""Cells and the table of the matrix, made from the output of its commands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

VERSIONS = ('Python', 'torch', 'numpy', 'mmcv', 'mmdet', 'mmengine')
QUICK = 'quick tests'
STEPS = ('train', 'test', 'resume', "mmdet's train.py", 'export', 'predict')
COLUMNS = (*VERSIONS, QUICK, *STEPS)
YES = 'yes'
ERROR = re.compile(r'^(\w+\.)*\w*(Error|Exception|Interrupt|Exit)\b.*$', re.MULTILINE)
COUNT = re.compile(r'(\d+) (passed|failed|errors?|skipped)\b')


def quick_tests_cell(output: str) -> str:
    """Counts the passed, failed and skipped tests in the output of pytest."""
    lines = output.strip().splitlines() or ['']
    counts = {name.rstrip('s'): int(n) for n, name in COUNT.findall(lines[-1])}
    if not counts:
        return first_line_of_error(output)
    failed = counts.get('failed', 0) + counts.get('error', 0)
    return (
        f'{counts.get("passed", 0)} passed, {failed} failed, '
        f'{counts.get("skipped", 0)} skipped'
    )


def first_line_of_error(output: str) -> str:
    """Returns the line of the last error in some output, else the last line."""
    named = [match[0] for match in ERROR.finditer(output)]
    last = output.strip().splitlines()[-1:] or ['no output']
    return [*last, *named][-1].strip()


def is_good(cell: str) -> bool:
    """Whether a cell reports success."""
    return cell == YES or ', 0 failed, ' in cell


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Returns a table in Markdown.

    Args:
        rows: Column to cell; missing columns stay empty.
    """
    cells = [COLUMNS, ['---'] * len(COLUMNS)]
    cells += [[_escaped(row.get(name, '')) for name in COLUMNS] for row in rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in cells)


def _escaped(cell: str) -> str:
    """Escapes text for a cell."""
    return ' '.join(cell.replace('|', '\\|').split())
