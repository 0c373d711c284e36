"""How `make docs` makes a site of the pages.

All of the repository is the source, so that a link means the same here as where the
files lie: pages lead to pages, and whatever is no page is copied into the site.
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

# What GitHub reads in Markdown without being told.
myst_enable_extensions = ['dollarmath']
myst_fence_as_directive = ['mermaid']
myst_heading_anchors = 4

# Shell and Python both stand in indented blocks, and nothing tells them apart.
highlight_language = 'text'

# Class docstrings hold the arguments; types stand in the signature alone.
autodoc_typehints_format = 'short'
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88

# The diagram as large as it comes, and no button to enlarge it.
mermaid_height = 'auto'
mermaid_fullscreen = False

html_theme = 'furo'
html_title = f'mmdet_centernet {version}'
html_copy_source = False
# The front page lies in docs/, as its source does; whoever opens the site is led there.
html_additional_pages = {'index': 'to_front_page.html'}
