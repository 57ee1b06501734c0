"""What hand-written gradients share: the numbers of ``torch.autograd`` up to rounding, in less
time. No graph is recorded, activations are changed in place, and every kernel meets the layout in
which it is fastest."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

aten = torch.ops.aten

_ONEDNN = {torch.float32: torch.backends.mkldnn.is_available()}
"""Whether oneDNN has a dense layer of this type for the processor; bfloat16 takes AVX-512."""
_ONEDNN[torch.bfloat16] = _ONEDNN[torch.float32] and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` by oneDNN, which is faster than what torch chooses on processors with AVX-512
    that are not Intel's: for the large dense layer twice."""
    if _ONEDNN.get(x.dtype):
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)


def cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of logits ``[n, classes]`` and labels ``[n]``, and its gradient by the
    logits."""
    scores = torch.log_softmax(logits, 1)
    loss, total = aten.nll_loss_forward(scores, labels, None, 1, -100)
    d_scores = aten.nll_loss_backward(torch.ones_like(loss), scores, labels, None, 1, -100, total)
    return loss, aten._log_softmax_backward_data(d_scores, scores, 1, logits.dtype)
