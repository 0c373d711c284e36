"""The pip commands that the doctor prints."""

from __future__ import annotations

from mmdet_centernet_doctor.environment import Environment, read_constants

GET_TORCH = 'https://pytorch.org/get-started/locally'
PIP_NAMES = dict(cv2='opencv-python-headless', mim='openmim')
"""Module to the distribution to install, where the names differ."""
MMCV_VERSIONS = '>=2.0.0,<2.2.0'
BUILD_MMCV = (
    'pip install {setuptools} wheel ninja && MMCV_WITH_OPS=1 pip install '
    '--force-reinstall --no-deps --no-cache-dir --no-build-isolation --no-binary :all: '
    '"{requirement}"'
)


def requirement(module: str) -> str:
    """Returns the requirement to install a missing module."""
    name = PIP_NAMES.get(module, module)
    minimum = read_constants()['MINIMUM_VERSIONS'].get(name)
    return f'{name}>={minimum}' if minimum else name


def mmcv_commands(env: Environment) -> dict[str, str]:
    """Returns the commands that replace mmcv; the last one follows a new torch."""
    lite, build = install_lite(env), build_mmcv(env)
    again = f'; then {lite}, or {build}' if env.compiled else ''
    return dict(mmcv_lite=lite, build_mmcv=build, mmcv_again=again)


def install_lite(env: Environment, versions: str = MMCV_VERSIONS) -> str:
    """Returns the command that installs mmcv without compiled operators."""
    name, _ = env.installed.get('mmcv', ('', ''))
    # A compiled file beside mmcv-lite was left by an mmcv that is installed as well.
    if env.compiled and name == 'mmcv-lite':
        name = 'mmcv mmcv-lite'
    return f'{_uninstall(name, "mmcv-lite")}pip install "mmcv-lite{versions}"'


def build_mmcv(env: Environment) -> str:
    """Returns the command that compiles mmcv for the installed torch."""
    name, version = env.installed.get('mmcv', ('', ''))
    wanted = name.removesuffix('-lite') or 'mmcv'
    versions = f'=={version}' if version else MMCV_VERSIONS
    # Only the original mmcv imports pkg_resources while it is built.
    setuptools = '"setuptools<81"' if wanted == 'mmcv' else 'setuptools'
    build = BUILD_MMCV.format(setuptools=setuptools, requirement=wanted + versions)
    return _uninstall(name, wanted) + build


def install_bounded(env: Environment, name: str | None, versions: str) -> str:
    """Returns the command that installs a library in the versions mmdet takes."""
    versions = versions.replace(' ', '')
    if name == 'mmcv':
        return install_lite(env, versions)
    return f'pip install "{name}{versions}"' if name else ''


def _uninstall(installed: str, wanted: str) -> str:
    return '' if installed in ('', wanted) else f'pip uninstall -y {installed} && '
