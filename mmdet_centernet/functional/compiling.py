"""Whether ``torch.compile`` traces the running code, asked of any torch."""

from __future__ import annotations

try:
    from torch.compiler import is_compiling
except ImportError:  # before torch 2.3, which gave it the public name
    from torch._utils import is_compiling

__all__ = ['is_compiling']
