"""The detectors of the table, and the trainings that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / 'configs' / 'ctdet'
PEER_CONFIGS = Path(__file__).resolve().parent / 'configs'


class Peer(NamedTuple):
    """A detector of the table.

    Attributes:
        name: Name of its row and of its folder.
        label: First cell of its row.
        config: Config file.
        rates: Learning rates, in the order in which they are tried.
    """

    name: str
    label: str
    config: Path
    rates: tuple[float, ...]


PEERS = (
    Peer(
        'cspnext-fast',
        'fast, CSPNeXt-tiny, FinestFPN 64',
        OURS / 'ctdet_cspnext-tiny-fast_1xb4-12e_bccd.py',
        (2e-3, 1e-3, 5e-4),
    ),
    Peer(
        'r18-fast',
        'fast, ResNet-18, FinestFPN 64',
        PEER_CONFIGS / 'ctdet_r18-fast_1xb4-12e_bccd.py',
        (2e-3, 1e-3, 5e-4),
    ),
    Peer(
        'atss',
        'ATSS, ResNet-18, FPN 128',
        PEER_CONFIGS / 'atss_r18-fpn_1xb4-12e_bccd.py',
        (1e-3, 5e-4, 2e-3),
    ),
    Peer(
        'atss-cspnext',
        'ATSS, CSPNeXt-tiny, FPN 128',
        PEER_CONFIGS / 'atss_cspnext-tiny-fpn_1xb4-12e_bccd.py',
        (1e-3, 5e-4, 2e-3),
    ),
    Peer(
        'rtmdet',
        'RTMDet-tiny',
        PEER_CONFIGS / 'rtmdet_tiny_1xb4-12e_bccd.py',
        (1e-3, 5e-4, 2e-3),
    ),
    Peer(
        'yolox',
        'YOLOX-tiny',
        PEER_CONFIGS / 'yolox_tiny_1xb4-12e_bccd.py',
        (1e-3, 2e-3, 5e-4),
    ),
)
"""All are tried with the same three learning rates, the likeliest first."""


class Trial(NamedTuple):
    """One training of a detector."""

    peer: Peer
    rate: float
    seed: int
    epochs: int

    @property
    def folder(self) -> Path:
        """Its folder inside the work directory."""
        run = f'{self.epochs}e_rate{self.rate:g}_seed{self.seed}'
        return Path(self.peer.name) / run


def choose_peers(names: list[str]) -> list[Peer]:
    """Returns the peers with these names, or all if there are no names.

    Raises:
        ValueError: If a name is unknown.
    """
    known = [peer.name for peer in PEERS]
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(f'no peer {", ".join(sorted(unknown))}; there are {known}')
    return [peer for peer in PEERS if peer.name in names or not names]
