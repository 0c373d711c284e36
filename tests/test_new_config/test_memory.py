"""Memory limits of containers and job queues on Linux."""

import pytest

from mmdet_centernet.new_config.resources import available_memory, left_by_groups

MB = 2**20


@pytest.fixture
def groups(tmp_path):
    """Writes the files of a control group; returns what each limit leaves."""

    def left(line, **folders):
        for folder, files in folders.items():
            for name, text in files.items():
                path = tmp_path / 'cgroup' / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f'{text}\n')
        (tmp_path / 'own').write_text(f'9:cpu:/job\n{line}\n')
        return left_by_groups(tmp_path / 'cgroup', tmp_path / 'own')

    return left


def version_2(limit, used, cached=0):
    stat = f'anon 5\ninactive_file {cached}'
    return {'memory.max': limit, 'memory.current': used, 'memory.stat': stat}


def version_1(limit, used, cached=0):
    stat = f'cache 7\ninactive_file {cached}'
    names = ('memory.limit_in_bytes', 'memory.usage_in_bytes', 'memory.stat')
    return dict(zip(names, (limit, used, stat), strict=True))


def test_what_is_left_of_a_limit(groups):
    found = groups('0::/job', job=version_2(100 * MB, 30 * MB, 10 * MB))
    assert found == [80 * MB]
    files = {'memory/job': version_1(100 * MB, 30 * MB, 10 * MB)}
    assert groups('4:memory:/job', **files) == [80 * MB]


def test_groups_around_a_group_limit_it_as_well(groups):
    inner, outer = version_2('max', 1), version_2(50 * MB, 20 * MB)
    assert groups('0::/job/step', **{'job/step': inner, 'job': outer}) == [30 * MB]


def test_a_container_sees_its_own_group_as_the_root(groups):
    assert groups('0::/', **{'.': version_2(9 * MB, 12 * MB)}) == [0]


def test_no_groups(groups, tmp_path):
    assert groups('0::/job') == []
    assert left_by_groups(tmp_path, tmp_path / 'absent') == []


def test_the_least_counts(monkeypatch):
    module = 'mmdet_centernet.new_config.resources'
    monkeypatch.setattr(f'{module}.torch.cuda.is_available', lambda: False)
    monkeypatch.setattr(f'{module}.left_by_groups', lambda: [3 * MB, 5 * MB])
    assert available_memory() == (3 * MB, False)
