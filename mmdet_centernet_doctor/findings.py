"""What the doctor found out about an environment."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mmdet_centernet_doctor.environment import Environment, inspect_environment
from mmdet_centernet_doctor.probe import Step

PROBE = (sys.executable, '-W', 'ignore', '-m', 'mmdet_centernet_doctor.probe')
SECONDS = 600
"""Time limit of the probe."""


class Findings(NamedTuple):
    """Results of the probe, and the environment."""

    steps: dict[str, Step]  # without those that would have followed a crash
    env: Environment

    def works(self, *names: str) -> bool:
        """Whether all of these steps ran without an error."""
        steps = (self.steps.get(name) for name in names)
        return all(step and step.error is None for step in steps)

    def is_absent(self, name: str) -> bool:
        """Whether the library of a step is not installed."""
        return name in self.steps and self.steps[name].missing == name

    def fact(self, name: str, key: str) -> str:
        """Returns a fact from a step, '' if there is none."""
        step = self.steps.get(name)
        return str(step.facts.get(key) or '') if step else ''

    def version(self, name: str) -> str:
        """Returns the version of a library, '?' if it could not be imported."""
        return self.fact(name, 'version') or '?'


def examine(configs: list[str]) -> Findings:
    """Inspects the environment and runs the probe, which also loads some configs."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'steps.jsonl'
        command = [*PROBE, str(out), *configs]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS)
            status = f'Python crashed, exit status {done.returncode}'
        except subprocess.TimeoutExpired:
            status = f'no result within {SECONDS} seconds'
        lines = out.read_text(encoding='utf-8').splitlines() if out.exists() else []
    return Findings(read_steps(lines, status), inspect_environment())


def read_steps(lines: Iterable[str], status: str) -> dict[str, Step]:
    """Reads the lines of the probe; a step without end gets a status as error."""
    pairs = map(json.loads, lines)
    return {name: Step(*end) if end else Step({}, status) for name, end in pairs}
