"""Different images get different file names."""

from mmdet_centernet.visualization.file_names import FileNames


def test_repeated_names_get_folders():
    names = FileNames()
    paths = ['data/a/1.jpg', 'data/b/1.jpg', 'data/a/2.jpg', 'other/b/1.jpg']
    assert [names.of(path) for path in paths] == ['1', 'b_1', '2', 'other_b_1']
    assert [names.of(path) for path in paths] == ['1', 'b_1', '2', 'other_b_1']


def test_names_with_equal_folders_get_a_number():
    names = FileNames()
    paths = ['/1.jpg', '/1.png', '/1.bmp', '1.jpg']
    found = [names.of(path) for path in paths]
    assert found[0] == '1'
    assert len(set(found)) == 4


def test_long_names_are_shortened():
    names = FileNames()
    paths = [f'{letter * 250}/{"x" * 250}.jpg' for letter in 'abc']
    found = [names.of(path) for path in paths]
    assert len(set(found)) == 3
    assert max(map(len, found)) < 120
    assert not any('/' in name for name in found)
