"""Which nodes of a model its provider runs, and which it leaves to others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import onnx

from ..errors import ProviderError
from ..onnx_file.graph import all_graphs
from ..spelling import option
from .providers import Provider, named
from .session import runtime_version

# A graph's work, nearly all of it: convolutions and products.
_COSTLY = {
    "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv", "NhwcConv", "QConv",
    "MatMul", "MatMulInteger", "MatMulNBits", "QLinearMatMul", "FusedMatMul",
    "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "Gemm", "QGemm", "FusedGemm", "Attention",
    "QAttention", "MultiHeadAttention", "GroupQueryAttention", "Einsum", "LSTM", "GRU",
}  # fmt: skip
_MOST_NAMED = 6


@dataclass(frozen=True)
class Placement:
    """Where the nodes of a session run.

    Attributes
    ----------
    provider : str
    nodes, costly : int
        Of the graph, without constants; those that are convolutions or products. 0: not known.
    left : dict or None
        What other providers run: how many nodes of each operator, by the provider's name; None:
        this onnxruntime does not tell.
    """

    provider: str
    nodes: int
    costly: int
    left: dict[str, dict[str, int]] | None

    @classmethod
    def of(
        cls, session: Any, provider: Provider, model: onnx.ModelProto | None
    ) -> Placement | None:
        """What a session tells; None for a provider that leaves nothing to others.

        Providers that compile a graph may not list what they take, so what they leave is counted,
        against the nodes of the file.
        """
        if not provider.fallbacks:
            return None
        graphs = [] if model is None else list(all_graphs(model))
        kinds = [node.op_type for graph in graphs for node in graph.node]
        kinds = [kind for kind in kinds if kind != "Constant"]
        nodes, costly = len(kinds), sum(kind in _COSTLY for kind in kinds)
        listed = assigned(session)
        if listed is None:
            return cls(provider.name, nodes, costly, None)
        own = listed.pop(provider.name, Counter())
        together = sum([*listed.values(), own], Counter())
        if kinds or _costly(own):
            nodes = max(nodes, together.total())
            costly = max(costly, _costly(together))
        left = {name: dict(sorted(found.items())) for name, found in sorted(listed.items())}
        return cls(provider.name, nodes, costly, left)

    @property
    def record(self) -> dict[str, Any]:
        """What a report's ``run`` says, as JSON values."""
        return {"nodes": self.nodes, "left": self.left}

    @property
    def words(self) -> str:
        """What is left to others, as a note; empty where nothing is."""
        if self.left is None:
            return (
                f"{self.provider}: onnxruntime {runtime_version()} does not tell which nodes it "
                "runs (1.24 or newer does)"
            )
        parts = [
            f"{sum(found.values())} run on {name} ({_listed(found)})"
            for name, found in self.left.items()
        ]
        return f"{self.provider}: of {self.nodes or '?'} nodes " + ", ".join(parts) if parts else ""

    def check(self, path: object) -> None:
        """Refuse a provider that takes none of the work, or less than half of it.

        Raises
        ------
        ProviderError
        """
        if not self.left:
            return
        found = sum((Counter(each) for each in self.left.values()), Counter[str]())
        total, lost, what = self.costly, _costly(found), "convolutions and products"
        if not self.costly and self.nodes:
            total, lost, what = self.nodes, found.total(), "nodes"
        if 2 * lost <= total or not total:
            return
        others = "; ".join(f"{name}: {_listed(each)}" for name, each in self.left.items())
        runs = (
            f"only {total - lost} of its {total} {what}" if lost < total else f"none of its {what}"
        )
        raise ProviderError(
            f"{path}: {self.provider} runs {runs}, and leaves to others: {others}; "
            f"use {option('provider', *self.left)}"
        )


def assigned(session: Any) -> dict[str, Counter[str]] | None:
    """How many nodes of each operator each provider runs, as far as they are listed.

    None where this onnxruntime (before 1.24) does not tell.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    try:
        parts = session.get_provider_graph_assignment_info()
    except Exception:  # onnxruntime's errors have no common base
        return None
    found: dict[str, Counter[str]] = {}
    for part in parts:
        counts = found.setdefault(named(part.ep_name), Counter())
        counts.update(node.op_type for node in part.get_nodes())
    return found


def _costly(found: Counter[str]) -> int:
    return sum(number for kind, number in found.items() if kind in _COSTLY)


def _listed(found: dict[str, int]) -> str:
    """Operators, the most frequent first: "Shape x2, Gather"."""
    ranked = sorted(found.items(), key=lambda each: (-each[1], each[0]))
    names = [f"{kind} x{number}" if number > 1 else kind for kind, number in ranked]
    return ", ".join([*names[:_MOST_NAMED], *["..."] * (len(names) > _MOST_NAMED)])
