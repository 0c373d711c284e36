"""The CenterNet head: branches, losses and predictions.

Legend: B images, C classes, D channels, N objects in the batch, H x W map, S stacks.
Branch outputs are lists with one tensor per stack. Boxes are x1, y1, x2, y2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.utils import (
    ConfigType,
    InstanceList,
    OptConfigType,
    OptInstanceList,
    OptMultiConfig,
)
from torch import Tensor, nn

from mmdet_centernet.arguments import check_positive, check_whole
from mmdet_centernet.codecs import (
    CenterCoder,
    CenterTargets,
    HeadTargets,
    OffsetProperty,
    SizeProperty,
    make_head_targets,
    paint_targets,
    scale_matrix,
)
from mmdet_centernet.codecs.joints import CELL_MIDDLE
from mmdet_centernet.models.annotation_watch import AnnotationWatch
from mmdet_centernet.models.branches import (
    BRANCH_INITS,
    build_branches,
    init_heatmap,
    init_regression,
)
from mmdet_centernet.models.center_losses import (
    bbox_loss,
    heatmap_loss,
    regression_loss,
)
from mmdet_centernet.models.conv_blocks import conv_stack
from mmdet_centernet.models.ground_truth import (
    assign_instances,
    image_names,
    read_fields,
    rotated_images,
    without_labels,
)
from mmdet_centernet.models.head_checks import (
    check_classes,
    check_not_resized,
    check_stride,
    select_maps,
    training_classes,
)
from mmdet_centernet.models.head_config import (
    build_assigner,
    build_head_properties,
    build_heatmap_loss,
    build_point_sets,
    read_test_cfg,
)
from mmdet_centernet.models.postprocess import refine, to_instances

BranchMaps = list[Tensor]


@MODELS.register_module()
class CTDetHead(BaseDenseHead):
    """Head of CenterNet, `Objects as Points <https://arxiv.org/abs/1904.07850>`_.

    Replaces mmdet's ``CenterNetHead`` with the same arguments, log names and, for one
    stack, the same keys of the state dict. Unlike there, the heatmap branch outputs
    logits. Keys of ``test_cfg``:

    - ``topk`` (100): detections per image. Their number is fixed; if an image has fewer
      peaks, the remaining detections have score 0.
    - ``local_maximum_kernel`` (3): odd side of a peak's neighborhood, in cells.
    - ``score_thr`` (0): detections must score higher than this.
    - ``nms`` (None): config of an mmcv NMS, applied to each class.
    - ``max_per_img`` (100): detections kept after NMS; all if not positive.
    - ``clip_border`` (False): clip boxes to the image.

    Losses are normalized by the number of objects in the process, not in all
    processes, as in the official code.

    Args:
        in_channels: Channels of the feature map.
        feat_channels: Channels between the two convolutions of a branch.
        num_classes: Number of classes, C.
        loss_center_heatmap: Heatmap loss. mmdet's ``GaussianFocalLoss``, which expects
            probabilities, is replaced by its counterpart on logits.
        loss_wh: Loss of width and height in cells.
        loss_offset: Loss of the position within the cell. None removes the branch, and
            centers lie in the middle of their cells.
        train_cfg: ``assigner`` configures the target assigner.
        test_cfg: See above.
        init_cfg: Initialization, applied after ``branch_init``.
        num_stacks: Number of supervised feature maps, each with its own branches
            (Hourglass-104: 2). Losses are averaged over stacks; the last is decoded.
        feat_level: Index of the map to use, if the neck outputs several levels.
        stride: Pixels of the network input per cell.
        branch_init: Initial weights of the branches: ``mmdet``, or those of the
            official ``resnet_dcn``, ``resnet``, ``dla`` or ``hourglass``.
        loss_bbox: IoU loss of boxes in cells. It makes all covered cells of an object
            learn size and position (as in TTFNet, arXiv 1909.00700); without it only
            the cell of the center does, as in the paper.
        wh_unit: Size in cells that an output of 1 represents. An optimizer like AdamW
            changes outputs by about its learning rate per step, and needs many steps to
            reach sizes of tens of cells.
        properties: Values to predict per object besides the box: configs of properties
            by name. Each adds a branch ``<name>_head``, a loss ``loss_<name>``, and a
            field of the predictions.
        point_sets: Points of objects with a heatmap of their own, such as joints of
            persons: configs of ``JointPoints`` by name. Each adds branches
            ``<name>_heatmap_head`` and ``<name>_offset_head``, and losses named
            likewise.
        stacked_convs: Number of 3x3 convolutions with norm and ReLU before the
            branches, shared by all branches of a stack. The paper's head has none.
        norm_cfg: Norm of these convolutions.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        feat_channels: int,
        num_classes: int,
        loss_center_heatmap: ConfigType = dict(  # noqa: B006
            type='GaussianFocalLossWithLogits', loss_weight=1.0
        ),
        loss_wh: ConfigType = dict(type='L1Loss', loss_weight=0.1),  # noqa: B006
        loss_offset: OptConfigType = dict(type='L1Loss', loss_weight=1.0),  # noqa: B006
        train_cfg: OptConfigType = None,
        test_cfg: OptConfigType = None,
        init_cfg: OptMultiConfig = None,
        *,
        num_stacks: int = 1,
        feat_level: int | None = None,
        stride: int = 4,
        branch_init: str = 'mmdet',
        loss_bbox: OptConfigType = None,
        wh_unit: float = 1.0,
        properties: Mapping[str, ConfigType] | None = None,
        point_sets: Mapping[str, ConfigType] | None = None,
        stacked_convs: int = 0,
        norm_cfg: OptConfigType = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if stacked_convs != 0:
            check_whole(stacked_convs=stacked_convs)
        check_whole(
            in_channels=in_channels,
            feat_channels=feat_channels,
            num_classes=num_classes,
            num_stacks=num_stacks,
            stride=stride,
        )
        check_positive(wh_unit=wh_unit)
        if branch_init not in BRANCH_INITS:
            raise ValueError(
                f'branch_init is {branch_init!r}; choose one of {sorted(BRANCH_INITS)}'
            )
        if not isinstance(feat_level, int | None):
            raise ValueError(f'feat_level is {feat_level!r}; give a whole number')
        if num_stacks > 1 and feat_level is not None:
            raise ValueError('feat_level selects one map; it needs num_stacks=1')
        self.in_channels = in_channels
        self.feat_channels = feat_channels
        self.num_classes = num_classes
        self.num_stacks = num_stacks
        self.feat_level = feat_level
        self.stride = stride
        self.branch_init = branch_init
        self.stacked_convs = stacked_convs
        self.shared_convs = nn.ModuleList(
            conv_stack(stacked_convs, in_channels, feat_channels, norm_cfg)
            for _ in range(num_stacks)
        )
        self.properties = build_head_properties(properties)
        self.point_sets = build_point_sets(point_sets, self.properties)
        self.box_properties = dict(
            wh=SizeProperty('sizes', loss=loss_wh, unit=wh_unit),
            offset=OffsetProperty('points', loss=loss_offset),
        )
        self.heatmap_head = self._build_head(num_classes)
        self.loss_center_heatmap = build_heatmap_loss(loss_center_heatmap)
        for name, prop in {**self.box_properties, **self.properties}.items():
            self._add_map(name, prop.channels, prop.loss)
        for name, points in self.point_sets.items():
            num_points, _ = self.properties[points.keypoints].row_shape
            self._add_map(f'{name}_heatmap', num_points, points.loss_heatmap)
            self._add_map(f'{name}_offset', 2, points.loss_offset)
        self.loss_bbox = None if loss_bbox is None else MODELS.build(loss_bbox)
        self.train_cfg = train_cfg
        self.test_cfg = test_cfg
        self.assigner = build_assigner((train_cfg or {}).get('assigner'))
        self.test_settings = read_test_cfg(test_cfg)
        self.annotation_watch = AnnotationWatch()

    def _build_head(self, out_channels: int) -> nn.Sequential | nn.ModuleList:
        """Builds the branches of a map."""
        in_channels = self.feat_channels if self.stacked_convs else self.in_channels
        return build_branches(
            in_channels, self.feat_channels, out_channels, self.num_stacks
        )

    def _add_map(self, name: str, channels: int, loss: OptConfigType) -> None:
        """Builds branch and loss of a map, unless it has no loss."""
        if loss is None:
            return
        build_loss = build_heatmap_loss if name in self.heatmap_names else MODELS.build
        setattr(self, f'{name}_head', self._build_head(channels))
        setattr(self, f'loss_{name}', build_loss(loss))

    @property
    def heatmap_names(self) -> list[str]:
        """Names of the heatmaps: of centers and of point sets."""
        return ['heatmap', *(f'{name}_heatmap' for name in self.point_sets)]

    @property
    def map_names(self) -> list[str]:
        """Names of the outputs: heatmap, wh, offset, properties, point sets."""
        names = ['heatmap', *self.box_properties, *self.properties]
        for name, points in self.point_sets.items():
            names.append(f'{name}_heatmap')
            if points.loss_offset is not None:
                names.append(f'{name}_offset')
        return names

    @property
    def coder(self) -> CenterCoder:
        """Decoder of the maps, configured by ``test_cfg``."""
        return CenterCoder(
            stride=self.stride,
            topk=self.test_settings['topk'],
            kernel=self.test_settings['local_maximum_kernel'],
            properties=self.properties,
            point_sets=self.point_sets,
        )

    def init_weights(self) -> None:
        """Initializes the branches; ``init_cfg`` takes precedence."""
        branches = {name: self._branches(name) for name in self.map_names}
        rule = BRANCH_INITS[self.branch_init]
        for name, stacks in branches.items():
            init = init_heatmap if name in self.heatmap_names else init_regression
            for branch in stacks:
                init(branch, rule)
        super().init_weights()

    def _branches(self, name: str) -> list[nn.Module]:
        """Returns the branches of a map by stack; an empty list if it has no loss."""
        branches = getattr(self, f'{name}_head', [])
        return [branches] if isinstance(branches, nn.Sequential) else list(branches)

    def forward(self, x: Sequence[Tensor]) -> tuple[BranchMaps, ...]:
        """Runs the branches.

        Args:
            x: Feature maps, each (B, in_channels, H, W).

        Returns:
            A list with S tensors for each of ``map_names``: heatmap logits
            (B, C, H, W), sizes (B, 2, H, W) and offsets (B, 2, H, W) in cells, then
            (B, D, H, W) encoded values of properties and logits of other heatmaps.

        Raises:
            ValueError: If number or channels of the maps do not fit the head.
        """
        feats = select_maps(
            x,
            num_stacks=self.num_stacks,
            level=self.feat_level,
            channels=self.in_channels,
        )
        shared = [
            convs(feat) for convs, feat in zip(self.shared_convs, feats, strict=True)
        ]
        return tuple(self._run(name, shared) for name in self.map_names)

    def _run(self, name: str, feats: Sequence[Tensor]) -> BranchMaps:
        """Runs the branches of one map."""
        branches = self._branches(name)
        if not branches:  # centers without an offset
            return [torch.full_like(feat[:, :2], CELL_MIDDLE) for feat in feats]
        maps = [branch(feat) for branch, feat in zip(branches, feats, strict=True)]
        prop = {**self.box_properties, **self.properties}.get(name)
        return maps if prop is None else [prop.activate(one) for one in maps]

    def name_maps(
        self, outs: Sequence[BranchMaps], stack: int = -1
    ) -> dict[str, Tensor]:
        """Names the outputs of one stack.

        Args:
            outs: Outputs of :meth:`forward`.
            stack: Index of the stack; by default the last, which is decoded.

        Raises:
            ValueError: If the numbers of lists and of maps differ.
        """
        if len(outs) != len(self.map_names):
            raise ValueError(
                f'the head has the maps {self.map_names}, but {len(outs)} lists were '
                'given. Pass those after the third as other_preds'
            )
        named = zip(self.map_names, outs, strict=True)
        return {name: stacks[stack] for name, stacks in named}

    def loss(self, x: Sequence[Tensor], batch_data_samples: SampleList) -> dict:
        """Runs the head and computes its losses, see :meth:`loss_by_feat`."""
        heatmap, wh, offset, *others = self(x)
        instances, ignored, metas = unpack_gt_instances(batch_data_samples)
        if self.properties:
            check_not_resized(metas)
        return self.loss_by_feat(
            heatmap, wh, offset, instances, metas, ignored, other_preds=others
        )

    def predict(
        self,
        x: Sequence[Tensor],
        batch_data_samples: SampleList,
        rescale: bool = False,
    ) -> InstanceList:
        """Runs the head and decodes detections, see :meth:`predict_by_feat`."""
        heatmap, wh, offset, *others = self(x)
        return self.predict_by_feat(
            heatmap,
            wh,
            offset,
            [sample.metainfo for sample in batch_data_samples],
            rescale,
            other_preds=others,
        )

    def loss_by_feat(
        self,
        center_heatmap_preds: BranchMaps,
        wh_preds: BranchMaps,
        offset_preds: BranchMaps,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: OptInstanceList = None,
        *,
        other_preds: Sequence[BranchMaps] = (),
    ) -> dict[str, Tensor]:
        """Computes the losses (paper, section 3).

        Args:
            center_heatmap_preds: S heatmaps (B, C, H, W), logits.
            wh_preds: S maps (B, 2, H, W) of sizes in cells.
            offset_preds: S maps (B, 2, H, W) of offsets in cells.
            batch_gt_instances: ``bboxes`` in input pixels and ``labels`` of B images,
                and a field per property.
            batch_img_metas: Meta information of B images.
            batch_gt_instances_ignore: ``bboxes`` of regions that are not background.
            other_preds: The outputs of the head after the third.

        Returns:
            ``loss_center_heatmap``, ``loss_wh``, ``loss_offset``, ``loss_bbox`` if
            configured, and ``loss_<name>`` of other maps: means over stacks.

        Raises:
            ValueError: If the training dataset has another number of classes, a label
                lies outside of them, annotations do not match the images, the ground
                truth lacks a property, the stride is wrong, or an image is rotated and
                there are no ``point_sets`` to learn from it.
        """
        num_images, num_classes, height, width = center_heatmap_preds[0].shape
        shape = (num_images, num_classes, height, width)
        check_classes(training_classes(), self.num_classes)
        check_stride(shape, batch_img_metas[0]['batch_input_shape'], self.stride)
        targets = self._assign(batch_gt_instances, batch_gt_instances_ignore, shape)
        self.annotation_watch.check(targets, image_names(batch_img_metas))
        head_targets = self._make_head_targets(
            targets, batch_gt_instances, batch_img_metas
        )
        outs = (center_heatmap_preds, wh_preds, offset_preds, *other_preds)
        per_stack = [
            self._stack_losses(self.name_maps(outs, stack), head_targets)
            for stack in range(self.num_stacks)
        ]
        return {
            name: torch.stack([losses[name] for losses in per_stack]).mean()
            for name in per_stack[0]
        }

    def _assign(
        self,
        batch_gt_instances: InstanceList,
        batch_gt_instances_ignore: OptInstanceList,
        shape: tuple[int, int, int, int],
    ) -> CenterTargets:
        """Makes the targets of the objects of a batch."""
        return assign_instances(
            self.assigner,
            batch_gt_instances,
            batch_gt_instances_ignore,
            shape,
            self.stride,
        )

    def _make_head_targets(
        self,
        targets: CenterTargets,
        batch_gt_instances: InstanceList,
        batch_img_metas: Sequence[Mapping[str, Any]] = (),
    ) -> HeadTargets:
        """Makes the targets of all maps."""
        fields = read_fields(
            batch_gt_instances, self.properties, self.assigner.max_objects
        )
        to_cells = scale_matrix(1 / self.stride, targets.sizes.device)
        values = {
            name: prop.transform(fields[name], to_cells)
            for name, prop in self.properties.items()
        }
        return make_head_targets(
            replace(targets, heatmap_only=without_labels(self.properties, fields)),
            dict(wh=targets.sizes, offset=targets.points, **values),
            {**self.box_properties, **self.properties},
            self.point_sets,
            whole_gaussian=self.loss_bbox is not None,
            ignored_images=self._rotated(batch_img_metas, targets.valid),
        )

    def _rotated(
        self, metas: Sequence[Mapping[str, Any]], like: Tensor
    ) -> Tensor | None:
        """Finds rotated images, (B,) bool or None; only point sets learn from them."""
        rotated = rotated_images(metas, like)
        if rotated is not None and not self.point_sets:
            names = zip(image_names(metas), metas, strict=True)
            name = next(name for name, meta in names if meta.get('rotated'))
            raise ValueError(
                f'{name} is rotated, so that only point_sets can learn from it, but '
                'the head has none: remove rotation_prob of RandomCenterAffine, or add '
                'JointPoints'
            )
        return rotated

    def _stack_losses(
        self, maps: Mapping[str, Tensor], head_targets: HeadTargets
    ) -> dict[str, Tensor]:
        """Computes the losses of one stack."""
        losses = {}
        for name, heatmap in head_targets.heatmaps.items():
            log_name = 'center_heatmap' if name == 'heatmap' else name
            loss = getattr(self, f'loss_{log_name}')
            losses[f'loss_{log_name}'] = heatmap_loss(loss, maps[name], heatmap)
        for name, target in head_targets.regressions.items():
            loss = getattr(self, f'loss_{name}', None)
            if loss is not None:
                losses[f'loss_{name}'] = regression_loss(loss, maps[name], target)
        if self.loss_bbox is not None:
            losses['loss_bbox'] = bbox_loss(
                self.loss_bbox,
                maps['wh'],
                maps['offset'],
                head_targets.regressions['wh'],
                head_targets.regressions['offset'],
            )
        return losses

    def get_targets(
        self,
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        feat_shape: Sequence[int],
        img_shape: Sequence[int],
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Paints dense target maps for visualization; training uses lists instead.

        The maps keep only one of several objects that share a cell.

        Args:
            gt_bboxes: Boxes (n, 4) of each image in input pixels.
            gt_labels: Labels (n,) of each image.
            feat_shape: B, channels (unused), H, W.
            img_shape: Height and width of the network input.

        Returns:
            ``center_heatmap_target`` (B, C, H, W), ``wh_target``, ``offset_target`` and
            ``wh_offset_target_weight`` (B, 2, H, W); and the number of center cells, at
            least 1.
        """
        num_images, _, height, width = feat_shape
        shape = (num_images, self.num_classes, height, width)
        check_stride(shape, img_shape, self.stride)
        targets = self.assigner.assign(gt_bboxes, gt_labels, shape, stride=self.stride)
        maps = paint_targets(targets)
        num_peaks = maps['center_heatmap_target'].eq(1).sum()
        return maps, num_peaks.clamp(min=1)

    def predict_by_feat(
        self,
        center_heatmap_preds: BranchMaps,
        wh_preds: BranchMaps,
        offset_preds: BranchMaps,
        batch_img_metas: list[dict] | None = None,
        rescale: bool = True,
        with_nms: bool = True,
        *,
        other_preds: Sequence[BranchMaps] = (),
    ) -> InstanceList:
        """Decodes detections from the maps of the last stack.

        Args:
            center_heatmap_preds: S heatmaps (B, C, H, W), logits.
            wh_preds: S maps (B, 2, H, W) of sizes in cells.
            offset_preds: S maps (B, 2, H, W) of offsets in cells.
            batch_img_metas: Meta information of B images. Without it boxes are in
                pixels of the network input.
            rescale: Return boxes in pixels of the original image; else in those of the
                network input without its border.
            with_nms: Run the NMS of ``test_cfg``, if configured.
            other_preds: The outputs of the head after the third.

        Returns:
            For each image ``bboxes`` (K, 4), ``scores`` (K,), ``labels`` (K,) and a
            field per property.
        """
        outs = (center_heatmap_preds, wh_preds, offset_preds, *other_preds)
        return self.predict_maps(
            self.name_maps(outs), batch_img_metas, rescale=rescale, with_nms=with_nms
        )

    def predict_maps(
        self,
        maps: Mapping[str, Tensor],
        batch_img_metas: Sequence[Mapping[str, Any]] | None = None,
        *,
        rescale: bool = True,
        with_nms: bool = True,
    ) -> InstanceList:
        """Decodes detections from named maps, see :meth:`predict_by_feat`.

        Args:
            maps: (B, D, H, W) of one stack, by name.
            batch_img_metas: Meta information of B images.
            rescale: Return boxes in pixels of the original image.
            with_nms: Run the NMS of ``test_cfg``, if configured.
        """
        heatmap = maps['heatmap']
        if not len(heatmap):
            return []
        metas = batch_img_metas or [{}] * len(heatmap)
        if 'batch_input_shape' in metas[0]:
            check_stride(heatmap.shape, metas[0]['batch_input_shape'], self.stride)
        detections, values = self.coder.decode(maps)
        by_key = {prop.key: prop for prop in self.properties.values()}
        results = to_instances(detections, values, by_key, metas, rescale=rescale)
        return [
            refine(instances, meta, self.test_settings, rescale, with_nms)
            for instances, meta in zip(results, metas, strict=True)
        ]
