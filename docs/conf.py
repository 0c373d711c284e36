"""Sphinx configuration for `make docs`.

The source folder is the whole repository, so that relative links between files work on
the site as on GitHub. Linked files that are not pages are copied to the site.
"""

from mmdet_centernet import __version__

project = 'mmdet_centernet'
author = 'The mmdet_centernet authors'
copyright = author  # noqa: A001
release = version = __version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx_copybutton',
    'sphinxcontrib.mermaid',
]
root_doc = 'docs/index'
include_patterns = ['*.md', 'docs/**', 'configs/*/*.md']
exclude_patterns = ['.*', 'build', 'data', 'work_dirs']
templates_path = ['_templates']

# Syntax that GitHub renders without configuration.
myst_enable_extensions = ['dollarmath']
myst_fence_as_directive = ['mermaid']
myst_heading_anchors = 4

# Indented blocks hold shell or Python and do not state which.
highlight_language = 'text'

# Class docstrings document the arguments; only signatures show types.
autodoc_typehints_format = 'short'
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88

# Diagrams in their own size, without a button to enlarge them.
mermaid_height = 'auto'
mermaid_fullscreen = False

html_theme = 'furo'
html_title = f'mmdet_centernet {version}'
html_copy_source = False
# The front page is docs/index.html; index.html redirects to it.
html_additional_pages = {'index': 'to_front_page.html'}
