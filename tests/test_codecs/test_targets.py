import torch

from mmdet_centernet.codecs import (
    CenterNetTargetAssigner,
    paint_heatmap,
    paint_targets,
)


def test_maps_hold_what_the_list_holds_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand((2, 9, 2, 2), generator=generator) * 140 - 10
    boxes = list(corners.sort(dim=2).values.reshape(2, 9, 4))
    boxes[1][3] = boxes[1][3].flip(0)  # inside out
    labels = [torch.arange(9) % 3] * 2
    shape = (2, 3, 24, 32)
    targets = CenterNetTargetAssigner().assign(boxes, labels, shape, stride=4)
    names = 'wh_target', 'offset_target', 'wh_offset_target_weight'
    expected = {name: torch.zeros(2, 2, 24, 32) for name in names}
    for number in targets.valid.nonzero().flatten().tolist():
        x, y = targets.centers[number].tolist()
        cell = int(targets.images[number]), slice(None), y, x
        assert not expected['wh_offset_target_weight'][cell].any()  # none is shared
        values = targets.sizes[number], targets.offsets[number], torch.ones(2)
        for name, value in zip(names, values, strict=True):
            expected[name][cell] = value
    assert 0 < (~targets.valid).sum() < 18

    maps = paint_targets(targets)

    assert torch.equal(maps.pop('center_heatmap_target'), paint_heatmap(targets))
    assert maps.keys() == expected.keys()
    for name in names:
        assert torch.equal(maps[name], expected[name])
