"""What was found out about an environment, in one place."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from mmdet_centernet.doctor.probe import Step
from mmdet_centernet.doctor.surroundings import Surroundings, look_around

START = "import runpy; runpy.run_path({!r}, run_name='__main__')"
SECONDS = 600
"""How long all libraries together may take to be imported."""


class Findings(NamedTuple):
    """All that is known.

    Attributes:
        steps: How the steps of the probe ended; those after a crash are not there.
        around: What can be seen from outside.
    """

    steps: dict[str, Step]
    around: Surroundings

    def works(self, *names: str) -> bool:
        """Whether all of these steps were done without an error."""
        return all(
            name in self.steps and self.steps[name].error is None for name in names
        )

    def is_absent(self, name: str) -> bool:
        """Whether the library of this step is simply not installed."""
        return name in self.steps and self.steps[name].missing == name

    def fact(self, name: str, key: str) -> str:
        """What a step found out; an empty text if nothing."""
        step = self.steps.get(name)
        return str(step.facts.get(key) or '') if step else ''

    def version(self, name: str) -> str:
        """The version that a library says it has."""
        return self.fact(name, 'version') or '?'


def examine(configs: list[str]) -> Findings:
    """Look around, and use each library in another process.

    Args:
        configs: Paths of configs to look into.
    """
    script = START.format(str(Path(__file__).with_name('probe.py')))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'steps.jsonl'
        status = _run(
            [sys.executable, '-W', 'ignore', '-c', script, str(out), *configs]
        )
        lines = out.read_text(encoding='utf-8').splitlines() if out.exists() else []
    return Findings(read_steps(lines, status), look_around())


def _run(command: list[str]) -> str:
    """Run a command and say how it ended."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f'no answer within {SECONDS} seconds'
    return f'it takes Python down, exit status {done.returncode}'


def read_steps(lines: list[str], status: str) -> dict[str, Step]:
    """Read what the probe wrote.

    Args:
        lines: Its lines, a pair for each step.
        status: What to say of a step that began and never ended.
    """
    steps: dict[str, Step] = {}
    for line in lines:
        name, end = json.loads(line)
        steps[name] = Step(*end) if end else Step({}, status)
    return steps
