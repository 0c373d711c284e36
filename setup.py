"""Builds the package; pyproject.toml has the settings of linters and tests."""

import os
import shutil
from pathlib import Path
from runpy import run_path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

PACKAGE = 'mmdet_centernet'
# Importable where the package is not.
BESIDE = ('mmdet_centernet_doctor', 'mmdet_centernet_operators')
CLI = 'mmdet_centernet_cli'
ROOT = Path(__file__).parent
# openmim reads these from the folder `.mim` of an installed package.
MIM_FILES = ('configs', 'tools', 'model-index.yml')
IGNORED = shutil.ignore_patterns('__pycache__', '*.pyc', '.*')


class BuildWithMim(build_py):
    """Puts configs and tools into the package, where `mim` expects them.

    A wheel gets copies, an editable install gets links to the originals.
    """

    def run(self) -> None:
        """Builds the package and adds the files for mim."""
        super().run()
        base = ROOT if self.editable_mode else Path(self.build_lib)
        folder = base / PACKAGE / '.mim'
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in MIM_FILES:
            place = self._link if self.editable_mode else self._copy
            place(ROOT / name, folder / name)

    @classmethod
    def _link(cls, source: Path, target: Path) -> None:
        try:
            target.symlink_to(os.path.relpath(source, target.parent))
        except OSError:  # on Windows not all users may create links
            cls._copy(source, target)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=IGNORED)
        else:
            shutil.copy(source, target)


setup(
    name=PACKAGE,
    version=run_path(str(ROOT / PACKAGE / 'version.py'))['__version__'],
    description='CenterNet (Objects as Points) as a plugin of MMDetection 3.x',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='The mmdet_centernet authors',
    license='Apache-2.0',
    classifiers=[
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*', *BESIDE]),
    py_modules=[CLI],
    entry_points={'console_scripts': [f'{PACKAGE} = {CLI}:main']},
    package_data={PACKAGE: ['py.typed']},
    # mmdet and mmcv exist under several distribution names, so a requirement could
    # install a second one. Importing the package checks their versions.
    install_requires=['numpy', 'torch>=2.0.1'],
    extras_require={
        'export': [
            'onnx>=1.14',
            'onnxruntime>=1.25; python_version >= "3.11"',  # has DeformConv
            'onnxruntime>=1.23; python_version == "3.10"',  # the last one for 3.10
        ],
        'openmmlab': ['mmengine>=0.10.0', 'mmcv>=2.0.0', 'mmdet>=3.3.0'],
    },
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
