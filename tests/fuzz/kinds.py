"""All kinds of cases, by name."""

from __future__ import annotations

from fuzz import (
    annotations,
    assigner,
    checkpoints,
    configs,
    decoder,
    head,
    images,
    loss,
    prediction,
    runtime,
    views,
)
from fuzz.outcome import Case

KINDS: dict[str, Case] = dict(
    annotation_file=annotations.annotation_file,
    assign=assigner.assign,
    assign_refuse=assigner.refuse,
    focal_loss=loss.focal_loss,
    focal_loss_refuse=loss.refuse,
    head_loss=head.head_loss,
    config=configs.config,
    config_refuse=configs.refuse,
    decode=decoder.decode,
    image_file=images.image_file,
    predict=prediction.predict,
    checkpoint=checkpoints.checkpoint,
    runtime=runtime.runtime,
    runtime_refuse=runtime.refuse,
    view=views.view,
)
