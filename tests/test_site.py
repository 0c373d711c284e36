"""The site of the docs builds without warnings and has no broken links."""

import sys
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import pytest

from helpers.scripts import run
from helpers.tiny import REPO
from mmdet_centernet import (
    codecs,
    datasets,
    evaluation,
    hooks,
    models,
    transforms,
    visualization,
)

bs4 = pytest.importorskip('bs4', reason='requirements/docs.txt is not installed')
pytest.importorskip('sphinx', reason='requirements/docs.txt is not installed')

REFERENCES = {'a': 'href', 'img': 'src', 'link': 'href', 'script': 'src'}


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """The output of `make docs`."""
    folder = tmp_path_factory.mktemp('site')
    options = ('--quiet', '--fail-on-warning', '-c', 'docs', '-d', folder / 'cache')
    run(sys.executable, '-m', 'sphinx', *options, '.', folder / 'html', cwd=REPO)
    return folder / 'html'


@pytest.mark.slow
def test_site_has_no_broken_links(site):
    assert list(broken_references(site)) == []


@pytest.mark.slow
def test_every_page_of_the_docs_is_in_the_site(site):
    pages = {path.relative_to(REPO) for path in (REPO / 'docs').rglob('*.md')}
    assert len(pages) > 15
    assert [
        page for page in pages if not (site / page).with_suffix('.html').exists()
    ] == []


def test_public_names_are_in_the_reference():
    text = (REPO / 'docs' / 'api.rst').read_text()
    packages = (
        codecs,
        datasets,
        evaluation,
        hooks,
        models,
        transforms,
        visualization,
    )
    public = [name for package in packages for name in package.__all__]
    assert [name for name in public if f':: {name}\n' not in text] == []


@pytest.mark.parametrize(
    'body',
    [
        '<a href="gone.html">x</a>',
        '<a href="#gone">x</a>',
        '<a href="there.html#gone">x</a>',
        '<img src="gone.png">',
    ],
)
def test_broken_links_are_found(tmp_path, body):
    (tmp_path / 'there.html').write_text('<p id="here">')
    good = '<a href="there.html#here">x</a> <a href="https://example.org#x">y</a>'
    (tmp_path / 'page.html').write_text(good + body)
    (found,) = broken_references(tmp_path)
    assert 'gone' in found


def broken_references(site) -> Iterator[str]:
    pages = {path: parse(path) for path in site.rglob('*.html')}
    ids = {path: {tag['id'] for tag in page(id=True)} for path, page in pages.items()}
    for path, page in pages.items():
        for link in local_references(page):
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve()
            target = target if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and anchor not in ids[target]):
                yield f'{path.relative_to(site)}: {link}'


def parse(path):
    return bs4.BeautifulSoup(path.read_text(), 'html.parser')


def local_references(page):
    for name, attribute in REFERENCES.items():
        for tag in page(name, {attribute: True}):
            link = tag[attribute]
            if not urlsplit(link).scheme and not link.startswith('//'):
                yield link
