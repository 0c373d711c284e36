"""Links of all pages, and equality of the two READMEs."""

import re

import pytest

from helpers.tiny import REPO

PAGES = [
    *REPO.glob('*.md'),
    *REPO.glob('docs/**/*.md'),
    *REPO.glob('configs/**/*.md'),
]
LINK = re.compile(r'\]\(([^)\s]+)\)')
FENCED = re.compile(r'^```.*?^```', re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_and_anchors_exist(page):
    for link in local_links(page):
        name, _, anchor = link.partition('#')
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def local_links(page):
    links = LINK.findall(FENCED.sub('', page.read_text()))
    return [link for link in links if not link.startswith(('http:', 'https:'))]


def anchors(page):
    """Returns the anchors that GitHub generates from headings."""
    headings = re.findall(r'^#+ (.*)', FENCED.sub('', page.read_text()), re.MULTILINE)
    plain = (re.sub(r'\[(.*?)\]\(.*?\)', r'\1', heading) for heading in headings)
    return {re.sub(r'[^\w\- ]', '', one.lower()).replace(' ', '-') for one in plain}


def test_both_readmes_have_the_same_commands_and_links():
    english, chinese = (REPO / name for name in ('README.md', 'README_zh-CN.md'))
    assert commands(english) == commands(chinese)
    other = {english.name, chinese.name}
    assert set(LINK.findall(english.read_text())) - other == (
        set(LINK.findall(chinese.read_text())) - other
    )


def commands(page):
    """Returns the lines of code without comments."""
    text = page.read_text()
    lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
    lines += re.findall(r'^    .*', text, re.MULTILINE)
    return [re.sub(r'\s*#.*', '', line) for line in lines]
