"""The backbone: a plain vision transformer (ViT-H of ViTPose) over a 256 x 192 picture.

Facts: patches of 16 px by a convolution of stride 16 that pads by 2, so 16 x 12 tokens; a learnt position for each of
them plus the one of a class token that is not there; blocks of attention and GELU perceptron, both behind a layer norm
(eps 1e-6) and added to what came in; a last norm. Names of modules are those of the released checkpoint.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SIZE_PX = (256, 192)
"""Height and width of the picture."""
PATCH_PX, PADDING_PX = 16, 2
GRID = (16, 12)


class Attention(nn.Module):
    """Self-attention with one matrix for queries, keys and values."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c))


class Perceptron(nn.Module):
    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Perceptron(dim, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH_PX, PATCH_PX, PADDING_PX)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, 256, 192) -> (B, 192, dim)"""
        return self.proj(x).flatten(2).transpose(1, 2)


class ViT(nn.Module):
    """Args: dim, depth, heads, hidden of the perceptrons."""

    def __init__(self, dim: int = 1280, depth: int = 32, heads: int = 16, hidden: int = 5120):
        super().__init__()
        self.patch_embed = Patches(dim)
        self.pos_embed = nn.Parameter(torch.empty(1, GRID[0] * GRID[1] + 1, dim))
        self.blocks = nn.ModuleList(Block(dim, heads, hidden) for _ in range(depth))
        self.last_norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, 256, 192), normalised -> tokens (B, 192, dim), row by row of the 16 x 12 grid."""
        x = self.patch_embed(x) + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        for block in self.blocks:
            x = block(x)
        return self.last_norm(x)
