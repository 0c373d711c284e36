"""What is written of a row: cells out of outputs, and a table out of cells."""

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
    """How many tests passed, failed and were skipped, from the output of pytest."""
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
    """What a failed command ended with: of a traceback, the line that names it."""
    named = [match[0] for match in ERROR.finditer(output)]
    last = output.strip().splitlines()[-1:] or ['no output']
    return [*last, *named][-1].strip()


def is_good(cell: str) -> bool:
    """Whether a cell of a test or a step says that all went well."""
    return cell == YES or ', 0 failed, ' in cell


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """A table in Markdown.

    Args:
        rows: Column to cell; a column that is not named stays empty.
    """
    cells = [COLUMNS, ['---'] * len(COLUMNS)]
    cells += [[_escaped(row.get(name, '')) for name in COLUMNS] for row in rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in cells)


def _escaped(cell: str) -> str:
    """Text that cannot end its cell or its row."""
    return ' '.join(cell.replace('|', '\\|').split())
