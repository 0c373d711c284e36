from mmdet_centernet.data_report.images import find_duplicates


def write(folder, **contents):
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in contents]


def test_duplicates_have_equal_content(tmp_path):
    train = write(tmp_path / 'train', a=b'cat', b=b'dog', c=b'elephant')
    val = write(tmp_path / 'val', a=b'cow', x=b'dog', y=b'whale')
    test = write(tmp_path / 'test', z=b'whale', w=b'ant')
    (first, second) = find_duplicates(dict(train=train, val=val, test=test))
    assert first == (('train', 'val'), [(train[1], val[1])])
    assert second == (('val', 'test'), [(val[2], test[0])])


def test_missing_files_are_no_duplicates(tmp_path):
    assert (
        find_duplicates(dict(train=[str(tmp_path / 'a')], val=[str(tmp_path / 'a')]))
        == []
    )
