"""The command line ``mmdet_centernet doctor [CONFIG ...]``."""

from __future__ import annotations

import argparse
import sys

from mmdet_centernet_doctor.findings import examine
from mmdet_centernet_doctor.report import is_healthy, write_report


def main() -> int:
    """Prints a report on the environment.

    Returns:
        Exit status: 0 if the environment is healthy, else 1.
    """
    parser = argparse.ArgumentParser(
        prog='mmdet_centernet doctor',
        description='Check what this environment can run and print the command that '
        'fixes each problem.',
        epilog='Exit status: 0 if training, testing and DCN work and no problem was '
        'found, else 1.',
    )
    parser.add_argument('config', nargs='*', help='config to check as well')
    findings = examine(parser.parse_args().config)
    sys.stdout.write(write_report(findings) + '\n')
    return 0 if is_healthy(findings) else 1


if __name__ == '__main__':
    sys.exit(main())
