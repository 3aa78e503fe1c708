"""The head: one token that asks the picture's tokens six times, and three linear read-outs.

Facts: the token starts at zero, so only the bias and the position reach it; each of six layers is self-attention,
cross-attention to the picture and a GELU perceptron, each behind a layer norm (PyTorch's eps) and added; eight heads of
64. What the read-outs give is added to the mean pose, shape and camera that the checkpoint holds. Names of modules are
those of the checkpoint.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

HEADS, HEAD_DIM = 8, 64
N_REP, N_BETAS, N_CAMERA = 24 * 6, 10, 3


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """(B, N, 512) each -> (B, N, 512)"""
    q, k, v = (t.unflatten(-1, (HEADS, HEAD_DIM)).transpose(1, 2) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        inner = HEADS * HEAD_DIM
        self.to_qkv = nn.Linear(dim, 3 * inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.to_out(_attend(*self.to_qkv(x).chunk(3, -1)))


class CrossAttention(nn.Module):
    def __init__(self, dim: int, context_dim: int):
        super().__init__()
        inner = HEADS * HEAD_DIM
        self.to_kv = nn.Linear(context_dim, 2 * inner, bias=False)
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, dim))

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.to_out(_attend(self.to_q(x), *self.to_kv(context).chunk(2, -1)))


class FeedForward(nn.Module):
    """`net.0` and `net.3` are linear; what stands between has no weights."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Identity(), nn.Linear(hidden, dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Normed(nn.Module):
    def __init__(self, dim: int, fn: nn.Module):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        return x + self.fn(self.norm(x), *more)


class Layers(nn.Module):
    def __init__(self, dim: int, context_dim: int, depth: int, hidden: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleList([
            Normed(dim, SelfAttention(dim)), Normed(dim, CrossAttention(dim, context_dim)),
            Normed(dim, FeedForward(dim, hidden))]) for _ in range(depth))

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        for own, other, forward in self.layers:
            x = forward(other(own(x), context))
        return x


class Decoder(nn.Module):
    def __init__(self, dim: int, context_dim: int, depth: int, hidden: int):
        super().__init__()
        self.to_token_embedding = nn.Linear(1, dim)
        self.pos_embedding = nn.Parameter(torch.empty(1, 1, dim))
        self.transformer = Layers(dim, context_dim, depth, hidden)

    def forward(self, context: torch.Tensor) -> torch.Tensor:
        """(B, N, context_dim) -> (B, dim)"""
        token = self.to_token_embedding(context.new_zeros(len(context), 1, 1)) + self.pos_embedding
        return self.transformer(token, context)[:, 0]


class Head(nn.Module):
    """Args: dim of the token, context_dim of the picture's tokens, depth, hidden."""

    def __init__(self, dim: int = 1024, context_dim: int = 1280, depth: int = 6, hidden: int = 1024):
        super().__init__()
        self.transformer = Decoder(dim, context_dim, depth, hidden)
        self.poses_decoder = nn.Linear(dim, N_REP)
        self.betas_decoder = nn.Linear(dim, N_BETAS)
        self.cam_decoder = nn.Linear(dim, N_CAMERA)
        self.register_buffer("init_poses", torch.empty(1, N_REP))
        self.register_buffer("init_betas", torch.empty(1, N_BETAS))
        self.register_buffer("init_cam", torch.empty(1, N_CAMERA))

    def forward(self, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Continuous pose (B, 24, 6), shape (B, 10) and camera (B, 3)."""
        token = self.transformer(context)
        rep = (self.poses_decoder(token) + self.init_poses).view(-1, 24, 6)
        return rep, self.betas_decoder(token) + self.init_betas, self.cam_decoder(token) + self.init_cam
