"""A decoder of the Llama family in plain torch, with the parameter names of the published checkpoints.

Shapes: B sequences, T tokens, H hidden size.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Shape:
    """The sizes that config.json states."""

    vocab: int
    hidden: int
    inter: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    theta: float = 10000.0
    eps: float = 1e-5


class FakeQuant(torch.autograd.Function):
    """Rounds a matrix as a program of few bits would; gradients pass as if it did not."""

    @staticmethod
    def forward(ctx, weight, bits):
        return quantised(weight, bits)

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def quantised(weight, bits, block=32):
    """`weight` after symmetric rounding to `bits` in blocks of 32 along the summed dimension."""
    top = 2 ** (bits - 1) - 1
    blocks = weight.reshape(weight.shape[0], -1, block)
    scale = blocks.abs().amax(-1, keepdim=True).clamp_min(1e-12) / top
    return ((blocks / scale).round().clamp(-top, top) * scale).reshape(weight.shape)


class Matrix(nn.Linear):
    """A linear layer whose weights may be rounded on the way (`bits` below 16)."""

    bits = 16

    def forward(self, x):
        weight = self.weight if Matrix.bits >= 16 else FakeQuant.apply(self.weight, Matrix.bits)
        return F.linear(x, weight)


class Norm(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.hidden))
        self.eps = shape.eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def turn(x, cos, sin):
    """Rotary positions in the half-split layout of the published checkpoints. x: B, heads, T, head_dim."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        self.q_proj = Matrix(s.hidden, s.heads * s.head_dim, bias=False)
        self.k_proj = Matrix(s.hidden, s.kv_heads * s.head_dim, bias=False)
        self.v_proj = Matrix(s.hidden, s.kv_heads * s.head_dim, bias=False)
        self.o_proj = Matrix(s.heads * s.head_dim, s.hidden, bias=False)

    def forward(self, x, cos, sin):
        s, (b, t, _) = self.s, x.shape
        q = turn(self.q_proj(x).view(b, t, s.heads, s.head_dim).transpose(1, 2), cos, sin)
        k = turn(self.k_proj(x).view(b, t, s.kv_heads, s.head_dim).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(b, t, s.kv_heads, s.head_dim).transpose(1, 2)
        share = s.heads // s.kv_heads
        k, v = k.repeat_interleave(share, 1), v.repeat_interleave(share, 1)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(out.transpose(1, 2).reshape(b, t, s.heads * s.head_dim))


class Mlp(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj = Matrix(s.hidden, s.inter, bias=False)
        self.up_proj = Matrix(s.hidden, s.inter, bias=False)
        self.down_proj = Matrix(s.inter, s.hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.input_layernorm = Norm(s)
        self.self_attn = Attention(s)
        self.post_attention_layernorm = Norm(s)
        self.mlp = Mlp(s)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Tokens (B, T) to the hidden states (B, T, H) that the embedding, also the output matrix, reads."""

    def __init__(self, s):
        super().__init__()
        self.s = s
        self.embed_tokens = nn.Embedding(s.vocab, s.hidden)
        self.layers = nn.ModuleList(Layer(s) for _ in range(s.layers))
        self.norm = Norm(s)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                depth = (2 * s.layers) ** -0.5 if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
                nn.init.normal_(parameter, std=depth * (0.05 if "embed" in name else parameter.shape[1] ** -0.5))

    def forward(self, tokens):
        s = self.s
        frequencies = s.theta ** (-torch.arange(0, s.head_dim, 2) / s.head_dim)
        angles = torch.outer(torch.arange(tokens.shape[1]), frequencies).repeat(1, 2)
        x, cos, sin = self.embed_tokens(tokens), angles.cos(), angles.sin()
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)

    def logits(self, hidden):
        weight = self.embed_tokens.weight
        return F.linear(hidden, weight if Matrix.bits >= 16 else FakeQuant.apply(weight, Matrix.bits))
