"""Random valid layouts of diverse models, for property tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import assume
from hypothesis import strategies as st

from fmctl.catalog import instance_names
from fmctl.domain.layout import (
    ContextComm,
    CudaGraph,
    Dispatcher,
    Layout,
    Layouts,
    Precision,
    Recompute,
    Schedule,
    Sharding,
)
from fmctl.domain.result import Terms
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.plan.constraints import Mesh, mesh_reason
from fmctl.plan.space import setting_of
from tests.unit.perf.helpers import instance, model, run

PRESETS = (
    "llama-3.1-70b",  # dense, grouped heads
    "gpt3-13b",  # multi-head, learned positions, biases
    "falcon-40b",  # few key/value heads, layernorm
    "deepseek-v3",  # latent attention, shared and routed experts, dense first layers, MTP
    "deepseek-v4-flash",  # compressed and windowed attention
    "qwen3-next-80b-a3b",  # gated delta net with every fourth layer full attention
    "kimi-k3",  # Kimi delta attention
    "nemotron-h-56b",  # one block per layer: Mamba-2, attention or feed-forward
    "mistral-7b-v0.1",  # sliding window everywhere
    "gemma-3-27b",  # sliding and full attention, norms before and after
    "llama-4-maverick",  # every second layer experts, chunked attention
    "gpt-oss-120b",  # experts and windows in alternate layers, head_dim 64
    "mixtral-8x22b",  # experts in every layer
)
INSTANCES = tuple(instance_names(plannable_only=True))


@dataclass(frozen=True)
class Case:
    """One layout where it stands."""

    arch: str
    on: str
    framework: str
    layout: Layout
    seq: int
    batch: int

    def terms(self, *layouts: Layout, **changes: object) -> Terms:
        """Terms of `layouts` (this one if none is given), with other fields of the case changed."""
        case = replace(self, **changes)
        rows = list(layouts) or [case.layout]
        return run(case.arch, case.on, rows, case.seq, case.batch, case.framework)

    def with_layout(self, **fields: int) -> Layout:
        return replace(self.layout, **fields)

    def valid(self, layout: Layout) -> bool:
        """Whether the constraint table accepts the degrees of `layout` here."""
        found, on = model(self.arch), instance(self.on)
        setting = setting_of(found, on, FRAMEWORKS[self.framework], self.seq, self.batch, True)
        mesh = Mesh(layout.tp, layout.pp, layout.cp, layout.ep, layout.etp, layout.dp)
        batched = self.batch % (layout.dp * layout.micro_batch) == 0
        return batched and mesh_reason(mesh, setting) is None


def _powers(limit: int) -> st.SearchStrategy[int]:
    return st.sampled_from([1 << i for i in range(limit.bit_length())])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A valid layout of a preset on an instance type under a framework."""
    arch, on = draw(st.sampled_from(PRESETS)), draw(st.sampled_from(INSTANCES))
    framework = draw(st.sampled_from(sorted(FRAMEWORKS)))
    profile, found = FRAMEWORKS[framework], model(arch)
    tp, cp, dp = draw(_powers(8)), draw(_powers(4)), draw(_powers(64))
    pp = draw(st.sampled_from([1, 2, 4, 6, 8]))
    vpp = draw(st.sampled_from([1, 2, 3])) if pp > 1 and "interleaved" in profile.limits.schedules else 1
    vpp = min(vpp, max(found.n_layers // pp, 1))
    zero_bubble = vpp == 1 and "zero-bubble" in profile.limits.schedules and draw(st.booleans())
    experts = found.is_moe and profile.limits.expert_tp
    recompute = draw(st.sampled_from(list(Recompute)))
    precisions = [p for p in profile.limits.precisions if p == "bf16" or on.startswith(("p5", "p6", "u-p6"))]
    if on.startswith("p5"):
        precisions = [p for p in precisions if p != "nvfp4"]
    layout = Layout(
        tp=tp,
        pp=pp,
        vpp=vpp,
        cp=cp,
        ep=draw(_powers(32)) if found.is_moe else 1,
        etp=draw(st.sampled_from([1, tp])) if experts else 1,
        dp=dp,
        micro_batch=draw(_powers(4)),
        sequence_parallel=int(tp > 1 and profile.limits.sequence_parallel and draw(st.booleans())),
        sharding=int(Sharding.parse(draw(st.sampled_from(profile.limits.shardings)))),
        recompute=int(recompute),
        recompute_layers=draw(st.integers(0, found.n_layers // pp)) if recompute == Recompute.FULL else 0,
        precision=int(Precision.parse(draw(st.sampled_from(precisions)))),
        schedule=int(Schedule.INTERLEAVED if vpp > 1 else Schedule.ZERO_BUBBLE if zero_bubble else 0),
        cp_comm=int(ContextComm.parse(draw(st.sampled_from(profile.limits.cp_comms))))
        if profile.limits.cp_comms
        else 0,
        dispatcher=draw(st.sampled_from([int(d) for d in Dispatcher])),
        cuda_graph=draw(st.sampled_from([int(g) for g in CudaGraph])),
    )
    case = Case(arch, on, framework, layout, draw(st.sampled_from([2048, 8192, 32768])), 768)
    assume(case.valid(layout))
    return case


def spread(case: Case, layouts: list[Layout]) -> Layouts:
    """Columns of `layouts`, which share the model and the place of `case`."""
    assert all(case.valid(layout) for layout in layouts)
    return Layouts.of(layouts)
