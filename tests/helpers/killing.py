"""Runs a script that is killed while it writes a file or before it renames one.

python killing.py BYTES SCRIPT ...      kill when a file exceeds this size
python killing.py rename SCRIPT ...     kill when a file is renamed
"""

import os
import resource
import runpy
import signal
import sys
from pathlib import Path


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


when, script = sys.argv[1:3]
if when == 'rename':
    os.replace = Path.replace = Path.rename = die
else:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(when), int(when)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.dont_write_bytecode = True
sys.argv = sys.argv[2:]
sys.path.insert(0, str(Path(script).parent))
runpy.run_path(script, run_name='__main__')
