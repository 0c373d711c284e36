"""Imports scripts of `tools/` and `dev/`."""

import sys
from importlib.util import module_from_spec, spec_from_file_location

from helpers.tiny import REPO


def load_tool(path, folder='tools'):
    """Imports the script `<folder>/<path>`, which may import its neighbors."""
    file = REPO / folder / path
    name = path.replace('/', '_').removesuffix('.py')
    spec = spec_from_file_location(name, file)
    module = sys.modules[name] = module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
    return module
