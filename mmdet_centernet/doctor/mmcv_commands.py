"""Which command ends with another mmcv?"""

from __future__ import annotations

from mmdet_centernet.doctor.surroundings import Surroundings

BUILD_MMCV = (
    'pip install {tools}wheel ninja && MMCV_WITH_OPS=1 pip install --force-reinstall '
    '--no-deps --no-cache-dir --no-build-isolation --no-binary :all: "{what}"'
)
BOUNDS = '>=2.0.0,<2.2.0'


def mmcv_commands(around: Surroundings) -> dict[str, str]:
    """What the diagnosis may tell.

    Args:
        around: Which mmcv there is.

    Returns:
        ``mmcv_lite``: mmcv without compiled operators. ``build_mmcv``: mmcv compiled
        for this torch. ``mmcv_again``: what has to follow a change of torch, nothing
        where nothing is compiled.
    """
    name, version = around.installed.get('mmcv', ('', ''))
    # A compiled file beside mmcv-lite is left of an mmcv that is installed as well.
    both = around.compiled and name == 'mmcv-lite'
    lite = mmcv_lite('mmcv mmcv-lite' if both else name)
    build = build_mmcv(name, f'=={version}' if version else BOUNDS)
    again = f'; then {lite}, or {build}' if around.compiled else ''
    return dict(mmcv_lite=lite, build_mmcv=build, mmcv_again=again)


def mmcv_lite(installed: str, specifier: str = BOUNDS) -> str:
    """The command that installs mmcv without compiled operators.

    Args:
        installed: The distribution of mmcv that is there; empty if none is.
        specifier: Which versions will do.
    """
    return _without(installed, 'mmcv-lite') + f'pip install "mmcv-lite{specifier}"'


def build_mmcv(installed: str, specifier: str) -> str:
    """The command that compiles mmcv against the torch that is installed.

    Args:
        installed: The distribution of mmcv that is there; empty if none is.
        specifier: Which version, such as ``==2.1.0``.
    """
    name = installed.removesuffix('-lite') or 'mmcv'
    # Only the original still imports pkg_resources while it is built.
    tools = '"setuptools<81" ' if name == 'mmcv' else 'setuptools '
    build = BUILD_MMCV.format(tools=tools, what=name + specifier)
    return _without(installed, name) + build


def _without(installed: str, wanted: str) -> str:
    """How a command begins that ends with another distribution than there was."""
    return '' if installed in ('', wanted) else f'pip uninstall -y {installed} && '
