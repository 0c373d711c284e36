"""The loss step on an accelerator: loads, device synchronizations, torch.compile."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

from heads import Workload, draw_batch
from mmdet_centernet.functional.focal_sum import gaussian_focal_loss_sparse

import torch

OBJECTS_PER_IMAGE = (7, 50, 200)
DENSE = 50
"""Objects an image from which on they are small."""
LARGEST_IF_DENSE = 24
"""Half side of these in pixels."""
PRECISIONS = (torch.float32, torch.float16, torch.bfloat16)
SYNC_WARNING = 'called a synchronizing CUDA operation'
COVERED_CELLS = 100
"""Listed cells an object, for the loss alone."""


def loads(load: Workload) -> dict[str, Workload]:
    """Returns the workloads by name: objects per image and type of the maps."""
    result = {}
    for count in OBJECTS_PER_IMAGE:
        crowd = replace(load, objects=count * load.images)
        if count >= DENSE:
            crowd = replace(crowd, largest=LARGEST_IF_DENSE)
        for dtype in PRECISIONS:
            name = f'{count} objects an image, {str(dtype).removeprefix("torch.")}'
            result[name] = replace(crowd, dtype=dtype)
    return result


def count_syncs(run: Callable[[], object], device: str) -> int | None:
    """Counts how often a run waits for the GPU; None on other devices."""
    if not device.startswith('cuda'):
        return None
    run()  # The first run may initialize libraries, which waits as well.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        torch.cuda.set_sync_debug_mode('warn')
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode('default')
    return sum(SYNC_WARNING in str(warning.message) for warning in caught)


def focal_runs(load: Workload) -> dict[str, Callable[[], object]]:
    """Returns forward and backward of the focal loss, eager and compiled."""
    logits = draw_batch(load).logits
    count = load.objects * COVERED_CELLS
    index = torch.randint(logits.numel(), (count,), device=load.device)
    heat = torch.rand(count, device=load.device)

    def step(loss: Callable[..., torch.Tensor]) -> None:
        loss(logits, index, heat).backward()
        logits.grad = None

    compiled = torch.compile(gaussian_focal_loss_sparse, fullgraph=True)
    return dict(
        eager=lambda: step(gaussian_focal_loss_sparse), compiled=lambda: step(compiled)
    )
