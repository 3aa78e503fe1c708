"""The parts of WHAM: recurrent regressors that are given their own last answer, a learnt first state, an integrator.

Names of modules are those of the checkpoint.
"""

from __future__ import annotations

import torch
from torch import nn

State = tuple[torch.Tensor, torch.Tensor]

N_KEYPOINTS = 17
D_INPUT = 2 * N_KEYPOINTS + 3
"""Keypoints in the crop, and the crop's centre and side in the picture."""
D_HIDDEN = 512
D_CONTEXT = D_HIDDEN + 3 * N_KEYPOINTS
D_FEATURE = 1024
MAIN_JOINTS = [*range(10), *range(12, 22)]
"""SMPL joints that set the decoder's first state: all but toes and hands."""


class Regressor(nn.Module):
    """LSTM with linear read-outs. The input is `x` followed by what the caller hands in beside it."""

    def __init__(self, d_in: int, d_hidden: int, d_out: list[int], layers: int):
        super().__init__()
        self.rnn = nn.LSTM(d_in, d_hidden, layers, batch_first=True)
        self.n_out = len(d_out)
        for i, d in enumerate(d_out):
            setattr(self, f"declayer{i}", nn.Linear(d_hidden, d))

    def forward(self, parts: list[torch.Tensor], state: State | None) -> tuple[list[torch.Tensor], torch.Tensor, State]:
        """Args: parts, each (B, F, ·). Returns the read-outs, the hidden sequence (B, F, d_hidden) and the state."""
        hidden, state = self.rnn(torch.cat(parts, -1), state)
        return [getattr(self, f"declayer{i}")(hidden) for i in range(self.n_out)], hidden, state


class FirstState(nn.Module):
    """A perceptron that guesses the LSTM's first state: hidden of all layers, then cells of all layers."""

    def __init__(self, d_in: int, d_hidden: int, layers: int):
        super().__init__()
        self.layers = layers
        self.linear1 = nn.Linear(d_in, d_hidden)
        self.linear2 = nn.Linear(d_hidden, d_hidden * layers)
        self.linear3 = nn.Linear(d_hidden * layers, d_hidden * layers * 2)

    def forward(self, x: torch.Tensor) -> State:
        """(B, d_in) -> two of (layers, B, d_hidden)"""
        out = self.linear3(torch.relu(self.linear2(torch.relu(self.linear1(x)))))
        hidden, cell = out.view(len(x), 2, self.layers, -1).permute(1, 2, 0, 3).contiguous()
        return hidden, cell


class MotionEncoder(nn.Module):
    """Keypoints of the picture to keypoints in space and a context of the motion."""

    def __init__(self) -> None:
        super().__init__()
        d_points = 3 * N_KEYPOINTS
        self.embed_layer = nn.Linear(D_INPUT, D_HIDDEN)
        self.neural_init = FirstState(d_points + D_INPUT, D_HIDDEN, 3)
        self.regressor = Regressor(D_HIDDEN + d_points, D_HIDDEN, [d_points], 3)

    def forward(self, x: torch.Tensor, first: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x (B, F, 37), first (B, 1, 88) -> keypoints (B, F, 51) and context (B, F, 563)."""
        x, state = self.embed_layer(x), self.neural_init(first[:, 0])
        points, found, hidden = first[..., :3 * N_KEYPOINTS], [], []
        for t in range(x.shape[1]):
            (points,), h, state = self.regressor([x[:, t:t + 1], points], state)
            found.append(points)
            hidden.append(h)
        points = torch.cat(found, 1)
        return points, torch.cat([torch.cat(hidden, 1), points], -1)


class TrajectoryDecoder(nn.Module):
    """Context to the body's turn in the world and its velocity along its own axes."""

    def __init__(self) -> None:
        super().__init__()
        self.regressor = Regressor(D_CONTEXT + 12, D_CONTEXT, [3, 6], 3)

    def forward(self, context: torch.Tensor, root: torch.Tensor, camera: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """context (B,F,563), root (B,1,6), camera (B,F,6) -> roots (B,F+1,6), velocity (B,F,3)."""
        roots, velocity, state = [root], [], None
        for t in range(context.shape[1]):
            (v, r), _, state = self.regressor([context[:, t:t + 1], roots[-1], camera[:, t:t + 1]], state)
            roots.append(r)
            velocity.append(v)
        return torch.cat(roots, 1), torch.cat(velocity, 1)


class Integrator(nn.Module):
    """Adds what the picture shows to the context."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Linear(D_CONTEXT + D_FEATURE, 1024)
        self.layer2 = nn.Linear(1024, 1024)
        self.layer3 = nn.Linear(1024, D_CONTEXT)

    def forward(self, context: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        out = self.layer2(torch.relu(self.layer1(torch.cat([context, features], -1)))).relu()
        out = self.layer3(out)
        # As trained: a clip with an exact zero anywhere among its features goes without the residual.
        whole = (features != 0).flatten(1).all(1)
        return out + context * whole[:, None, None]


class MotionDecoder(nn.Module):
    """Context to pose, shape, weak camera and contacts."""

    def __init__(self) -> None:
        super().__init__()
        self.neural_init = FirstState(6 * len(MAIN_JOINTS), D_CONTEXT, 3)
        self.regressor = Regressor(D_CONTEXT + 144, D_CONTEXT, [144, 10, 3, 4], 3)

    def forward(self, context: torch.Tensor, first: torch.Tensor) -> list[torch.Tensor]:
        """context (B,F,563), first (B,1,24,6) -> pose (B,F,144), betas (B,F,10), camera (B,F,3), contact (B,F,4)."""
        state = self.neural_init(first[:, 0, MAIN_JOINTS].flatten(1))
        pose, found = first.flatten(2), []
        for t in range(context.shape[1]):
            out, _, state = self.regressor([context[:, t:t + 1], pose], state)
            pose = out[0]
            found.append(out)
        return [torch.cat(parts, 1) for parts in zip(*found, strict=True)]


class TrajectoryRefiner(nn.Module):
    """Corrections of turn and velocity from how the feet move while they should stand."""

    def __init__(self) -> None:
        super().__init__()
        self.refiner = Regressor(D_CONTEXT + 12 + 9, D_HIDDEN, [6, 3], 2)

    def forward(self, context: torch.Tensor, sliding: torch.Tensor, root: torch.Tensor,
                velocity: torch.Tensor) -> list[torch.Tensor]:
        """context (B,F,563), sliding (B,F,12), root (B,F,6), velocity (B,F,3) -> changes of root and velocity."""
        return self.refiner([context, sliding, root, velocity], None)[0]
