"""The command line."""

from __future__ import annotations

import argparse
import sys

from mmdet_centernet.doctor import __doc__ as description
from mmdet_centernet.doctor.findings import examine
from mmdet_centernet.doctor.report import is_healthy, write_report


def main() -> int:
    """Examine the environment.

    Returns:
        Exit status: 0 if nothing is wrong, else 1.
    """
    parser = argparse.ArgumentParser(
        prog='mmdet_centernet doctor',
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Exit status: 0 if one can train, test and use DCN here and nothing is '
        'wrong, else 1.',
    )
    parser.add_argument('config', nargs='*', help='configs that are to be trained here')
    findings = examine(parser.parse_args().config)
    sys.stdout.write(write_report(findings) + '\n')
    return 0 if is_healthy(findings) else 1


if __name__ == '__main__':
    sys.exit(main())
