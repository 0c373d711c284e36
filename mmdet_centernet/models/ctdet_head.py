"""The CenterNet head: three branches, their losses, and boxes out of them.

Legend: B images, C classes, N objects in the batch, H x W map, S stacks. Branch outputs
are lists with one tensor a stack. Boxes are x1, y1, x2, y2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.registry import MODELS
from mmdet.structures.bbox import get_box_tensor
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
    BoxCells,
    CenterTargets,
    Heat,
    center_cells,
    decode_centers,
    list_heat,
    paint_targets,
    surrounding_cells,
)
from mmdet_centernet.codecs.annotation_watch import AnnotationWatch
from mmdet_centernet.models.branch_init import BRANCH_INITS, init_branches
from mmdet_centernet.models.center_losses import box_losses, heatmap_loss
from mmdet_centernet.models.dataset_classes import check_classes, training_classes
from mmdet_centernet.models.feature_maps import check_stride, select_maps
from mmdet_centernet.models.head_config import (
    build_assigner,
    build_heatmap_loss,
    read_test_cfg,
)
from mmdet_centernet.models.postprocess import refine, to_instances

BranchMaps = list[Tensor]


@MODELS.register_module()
class CTDetHead(BaseDenseHead):
    """Head of CenterNet, `Objects as Points <https://arxiv.org/abs/1904.07850>`_.

    Takes the place of mmdet's ``CenterNetHead``: same arguments, log names and, with
    one stack, the same keys of the state dict. Unlike there, branch outputs are
    logits. ``test_cfg`` understands:

    - ``topk`` (100): detections an image. There are always that many; where an image
      has fewer peaks the rest has score 0.
    - ``local_maximum_kernel`` (3): odd side of the neighbourhood of a peak, in cells.
    - ``score_thr`` (0): leave out detections that do not score higher.
    - ``nms`` (None): config of an mmcv NMS, run class by class.
    - ``max_per_img`` (100): detections kept after NMS; none is cut if not positive.
    - ``clip_border`` (False): clip boxes to the image.

    Losses are normalised by the number of objects of the process, not over all
    processes, as in the official code.

    Args:
        in_channels: Channels of the feature map.
        feat_channels: Channels between the two convolutions of a branch.
        num_classes: How many, C.
        loss_center_heatmap: Heatmap loss. mmdet's ``GaussianFocalLoss``, which expects
            probabilities, is replaced by its counterpart on logits.
        loss_wh: Loss of width and height in cells.
        loss_offset: Loss of the position within the cell.
        train_cfg: ``assigner`` configures the target assigner.
        test_cfg: See above.
        init_cfg: Initialisation, applied after ``branch_init``.
        num_stacks: Feature maps that are supervised, each by branches of its own
            (Hourglass-104: 2). Losses are averaged over them and the last is decoded.
        feat_level: Which of the maps to use, where the neck gives several levels.
        stride: Pixels of the network input a cell.
        branch_init: Initial weights of the branches: ``mmdet``, or as the official
            networks do: ``resnet_dcn``, ``resnet``, ``dla`` or ``hourglass``.
        loss_bbox: IoU loss of boxes in cells. With it, all cells under an object's
            Gaussian learn its size and position (as in TTFNet, arXiv 1909.00700);
            without it the cell of its centre alone, as in the paper.
        wh_unit: Cells that a size of 1 in the output of the branch stands for. An
            optimiser like AdamW moves outputs by about its learning rate a step,
            which takes long to sizes of tens of cells.

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
        loss_offset: ConfigType = dict(type='L1Loss', loss_weight=1.0),  # noqa: B006
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
    ) -> None:
        super().__init__(init_cfg=init_cfg)
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
            raise ValueError('feat_level picks one map; it needs num_stacks=1')
        self.in_channels = in_channels
        self.feat_channels = feat_channels
        self.num_classes = num_classes
        self.num_stacks = num_stacks
        self.feat_level = feat_level
        self.stride = stride
        self.branch_init = branch_init
        self.wh_unit = wh_unit
        self.heatmap_head = self._build_head(num_classes)
        self.wh_head = self._build_head(2)
        self.offset_head = self._build_head(2)
        self.loss_center_heatmap = build_heatmap_loss(loss_center_heatmap)
        self.loss_wh = MODELS.build(loss_wh)
        self.loss_offset = MODELS.build(loss_offset)
        self.loss_bbox = None if loss_bbox is None else MODELS.build(loss_bbox)
        self.train_cfg = train_cfg
        self.test_cfg = test_cfg
        self.assigner = build_assigner((train_cfg or {}).get('assigner'))
        self.test_settings = read_test_cfg(test_cfg)
        self.annotation_watch = AnnotationWatch()

    def _build_head(self, out_channels: int) -> nn.Sequential | nn.ModuleList:
        """One branch, or one a stack; a lone branch keeps mmdet's parameter names."""
        branches = [
            nn.Sequential(
                nn.Conv2d(self.in_channels, self.feat_channels, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(self.feat_channels, out_channels, 1),
            )
            for _ in range(self.num_stacks)
        ]
        return branches[0] if self.num_stacks == 1 else nn.ModuleList(branches)

    def init_weights(self) -> None:
        """Initialise the branches; what ``init_cfg`` asks for wins."""
        for heatmap, wh, offset in zip(
            *map(_stacks, (self.heatmap_head, self.wh_head, self.offset_head)),
            strict=True,
        ):
            init_branches(heatmap, (wh, offset), BRANCH_INITS[self.branch_init])
        super().init_weights()

    def forward(self, x: Sequence[Tensor]) -> tuple[BranchMaps, BranchMaps, BranchMaps]:
        """Run the branches.

        Args:
            x: Feature maps, each (B, in_channels, H, W).

        Returns:
            Heatmap logits (B, C, H, W), sizes (B, 2, H, W) and offsets (B, 2, H, W) in
            cells, each a list with S tensors.

        Raises:
            ValueError: If number or channels of the maps do not fit the head.
        """
        feats = select_maps(
            x,
            num_stacks=self.num_stacks,
            level=self.feat_level,
            channels=self.in_channels,
        )
        heatmap, wh, offset = (
            [branch(feat) for branch, feat in zip(_stacks(head), feats, strict=True)]
            for head in (self.heatmap_head, self.wh_head, self.offset_head)
        )
        if self.wh_unit != 1:
            wh = [sizes * self.wh_unit for sizes in wh]
        return heatmap, wh, offset

    def loss_by_feat(
        self,
        center_heatmap_preds: BranchMaps,
        wh_preds: BranchMaps,
        offset_preds: BranchMaps,
        batch_gt_instances: InstanceList,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: OptInstanceList = None,
    ) -> dict[str, Tensor]:
        """Compute the losses (paper, section 3).

        Args:
            center_heatmap_preds: S heatmaps (B, C, H, W), logits.
            wh_preds: S maps (B, 2, H, W) of sizes in cells.
            offset_preds: S maps (B, 2, H, W) of offsets in cells.
            batch_gt_instances: ``bboxes`` in input pixels and ``labels`` of B images.
            batch_img_metas: Meta information of B images.
            batch_gt_instances_ignore: ``bboxes`` of regions that are no background.

        Returns:
            ``loss_center_heatmap``, ``loss_wh``, ``loss_offset`` and, where the head
            has one, ``loss_bbox``: means over stacks.

        Raises:
            ValueError: If the dataset that is trained on has another number of classes,
                a label lies outside them, annotations do not fit the images, or the
                stride is wrong.
        """
        num_images, num_classes, height, width = center_heatmap_preds[0].shape
        shape = (num_images, num_classes, height, width)
        check_classes(training_classes(), self.num_classes)
        check_stride(shape, batch_img_metas[0]['batch_input_shape'], self.stride)
        targets = self._assign(batch_gt_instances, batch_gt_instances_ignore, shape)
        self.annotation_watch.look(targets, _image_names(batch_img_metas))
        heat = list_heat(targets)
        list_cells = center_cells if self.loss_bbox is None else surrounding_cells
        cells = list_cells(targets)
        per_stack = [
            self._stack_losses(*maps, targets, heat, cells)
            for maps in zip(center_heatmap_preds, wh_preds, offset_preds, strict=True)
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
        """The targets of a batch, out of what the data loader gives."""
        boxes = [get_box_tensor(one.bboxes) for one in batch_gt_instances]
        ignored = batch_gt_instances_ignore or [None] * len(boxes)
        return self.assigner.assign(
            boxes,
            [one.labels for one in batch_gt_instances],
            shape,
            stride=self.stride,
            ignored_boxes=[
                nothing[:0] if one is None else get_box_tensor(one.bboxes)
                for one, nothing in zip(ignored, boxes, strict=True)
            ],
        )

    def _stack_losses(
        self,
        heatmap_pred: Tensor,
        wh_pred: Tensor,
        offset_pred: Tensor,
        targets: CenterTargets,
        heat: Heat,
        cells: BoxCells,
    ) -> dict[str, Tensor]:
        """The losses of one stack."""
        losses = dict(loss_wh=self.loss_wh, loss_offset=self.loss_offset)
        if self.loss_bbox is not None:
            losses['loss_bbox'] = self.loss_bbox
        return dict(
            loss_center_heatmap=heatmap_loss(
                self.loss_center_heatmap, heatmap_pred, targets, heat
            ),
            **box_losses(wh_pred, offset_pred, targets, cells, losses),
        )

    def get_targets(
        self,
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        feat_shape: Sequence[int],
        img_shape: Sequence[int],
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Targets as dense maps, for tools and pictures; training does without them.

        Of objects that share a cell the maps keep only one.

        Args:
            gt_bboxes: Boxes (n, 4) of each image in input pixels.
            gt_labels: Labels (n,) of each image.
            feat_shape: B, channels (not looked at), H, W.
            img_shape: Height and width of the network input.

        Returns:
            ``center_heatmap_target`` (B, C, H, W), ``wh_target``, ``offset_target`` and
            ``wh_offset_target_weight`` (B, 2, H, W); and the number of centre cells, at
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
    ) -> InstanceList:
        """Read boxes off the maps of the last stack.

        Args:
            center_heatmap_preds: S heatmaps (B, C, H, W), logits.
            wh_preds: S maps (B, 2, H, W) of sizes in cells.
            offset_preds: S maps (B, 2, H, W) of offsets in cells.
            batch_img_metas: Meta information of B images. Without it boxes are in
                pixels of the network input.
            rescale: Give boxes in pixels of the original image; else in those of the
                network input without its border.
            with_nms: Run the NMS of ``test_cfg``, where it names one.

        Returns:
            For each image ``bboxes`` (K, 4), ``scores`` (K,) and ``labels`` (K,).
        """
        heatmap = center_heatmap_preds[-1]
        if not len(heatmap):
            return []
        metas = batch_img_metas or [{}] * len(heatmap)
        if 'batch_input_shape' in metas[0]:
            check_stride(heatmap.shape, metas[0]['batch_input_shape'], self.stride)
        detections = decode_centers(
            heatmap,
            wh_preds[-1],
            offset_preds[-1],
            stride=self.stride,
            topk=self.test_settings['topk'],
            kernel=self.test_settings['local_maximum_kernel'],
        )
        found = to_instances(detections, metas, rescale=rescale)
        return [
            refine(instances, meta, self.test_settings, rescale, with_nms)
            for instances, meta in zip(found, metas, strict=True)
        ]


def _stacks(branches: nn.Sequential | nn.ModuleList) -> list[nn.Module]:
    """One kind of branch, stack by stack."""
    return [branches] if isinstance(branches, nn.Sequential) else list(branches)


def _image_names(metas: list[dict]) -> list[str]:
    return [str(meta.get('img_path', f'image {i}')) for i, meta in enumerate(metas)]
