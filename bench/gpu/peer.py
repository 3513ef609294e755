"""PyTorch on the same networks, as a peer: eager channels_last, CUDA graphs, torch.compile; TF32 and bf16.

    peer.py prepare SECONDS          compiles, so that Inductor's cache is warm (may run beside something else)
    peer.py measure SECONDS OUT      times, alone on the device; one JSON line for each result

The network is the ADM U-Net (arXiv 2105.05233) as the project's presets configure it, written anew here: residual blocks with scale and shift from the
embedding, attention with 1/sqrt(sqrt(d)) scaling, resampling inside residual blocks. Attention by scaled_dot_product_attention, which favours the peer.
A guided step: one evaluation of the doubled batch, the mix of both halves, and DPM-Solver++(2M)'s update.
"""
import json
import math
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

PRESETS = {
    "digits": dict(size=32, cin=1, cout=1, width=32, mult=(1, 2, 2), res=2, attention=(2, 4), classes=11, heads=4, head_channels=None),
    "small32": dict(size=32, cin=3, cout=3, width=64, mult=(1, 2, 2), res=2, attention=(2, 4), classes=11, heads=4, head_channels=None),
    "base64": dict(size=64, cin=3, cout=6, width=128, mult=(1, 2, 3, 4), res=2, attention=(4, 8), classes=1001, heads=None, head_channels=64),
}
# Those of run.sh.
BATCHES = {"digits": (4, 16), "small32": (4, 16), "base64": (4, 16)}


class Norm(nn.GroupNorm):
    def __init__(self, channels):
        super().__init__(32, channels)


class Res(nn.Module):
    def __init__(self, cin, cout, emb, resample=None):
        super().__init__()
        self.resample = resample
        self.n1, self.c1 = Norm(cin), nn.Conv2d(cin, cout, 3, padding=1)
        self.e = nn.Linear(emb, 2 * cout)
        self.n2, self.c2 = Norm(cout), nn.Conv2d(cout, cout, 3, padding=1)
        self.skip = nn.Identity() if cin == cout else nn.Conv2d(cin, cout, 1)

    def change(self, x):
        if self.resample == "down":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2, mode="nearest") if self.resample == "up" else x

    def forward(self, x, emb):
        h = self.c1(self.change(F.silu(self.n1(x))))
        scale, shift = self.e(emb)[:, :, None, None].chunk(2, 1)
        h = self.c2(F.silu(self.n2(h) * (1 + scale) + shift))
        return self.skip(self.change(x)) + h


class Attention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads, self.n = heads, Norm(channels)
        self.qkv, self.out = nn.Conv1d(channels, 3 * channels, 1), nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        b, c, h, w = x.shape
        flat = x.reshape(b, c, h * w)
        q, k, v = self.qkv(self.n(flat)).reshape(b * self.heads, 3, c // self.heads, h * w).transpose(2, 3).unbind(1)
        a = F.scaled_dot_product_attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1)).squeeze(1)
        return x + self.out(a.transpose(1, 2).reshape(b, c, h * w)).reshape(b, c, h, w)


class UNet(nn.Module):
    def __init__(self, size, cin, cout, width, mult, res, attention, classes, heads, head_channels):
        super().__init__()
        emb = 4 * width
        self.width = width
        self.t1, self.t2, self.label = nn.Linear(width, emb), nn.Linear(emb, emb), nn.Embedding(classes, emb)
        attend = lambda c: Attention(c, heads or c // head_channels)
        self.stem = nn.Conv2d(cin, width * mult[0], 3, padding=1)
        self.down, self.up, skips, ch, ds = nn.ModuleList(), nn.ModuleList(), [width * mult[0]], width * mult[0], 1
        for level, m in enumerate(mult):
            for _ in range(res):
                blocks = [Res(ch, width * m, emb)]
                ch = width * m
                if ds in attention:
                    blocks.append(attend(ch))
                self.down.append(nn.ModuleList(blocks))
                skips.append(ch)
            if level + 1 < len(mult):
                self.down.append(nn.ModuleList([Res(ch, ch, emb, "down")]))
                skips.append(ch)
                ds *= 2
        self.middle = nn.ModuleList([Res(ch, ch, emb), attend(ch), Res(ch, ch, emb)])
        for level, m in reversed(list(enumerate(mult))):
            for i in range(res + 1):
                blocks = [Res(ch + skips.pop(), width * m, emb)]
                ch = width * m
                if ds in attention:
                    blocks.append(attend(ch))
                if level and i == res:
                    blocks.append(Res(ch, ch, emb, "up"))
                    ds //= 2
                self.up.append(nn.ModuleList(blocks))
        self.n, self.last = Norm(ch), nn.Conv2d(ch, cout, 3, padding=1)

    @staticmethod
    def run(blocks, h, emb):
        for block in blocks:
            h = block(h, emb) if isinstance(block, Res) else block(h)
        return h

    def forward(self, x, t, y):
        half = self.width // 2
        angles = t.float()[:, None] * torch.exp(-math.log(10000) / half * torch.arange(half, device=t.device))[None]
        emb = self.t2(F.silu(self.t1(torch.cat([angles.cos(), angles.sin()], -1))))
        emb = F.silu(emb + self.label(y))
        h = self.stem(x)
        skips = [h]
        for blocks in self.down:
            h = self.run(blocks, h, emb)
            skips.append(h)
        h = self.run(self.middle, h, emb)
        for blocks in self.up:
            h = self.run(blocks, torch.cat([h, skips.pop()], 1), emb)
        return self.last(F.silu(self.n(h)))


def flops(net, args):
    total = [0]

    def count(module, inputs, output):
        if isinstance(module, (nn.Conv2d, nn.Conv1d)):
            total[0] += 2 * output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total[0] += 2 * output.numel() * module.in_features
    hooks = [m.register_forward_hook(count) for m in net.modules()]
    with torch.no_grad():
        net(*args)
    for hook in hooks:
        hook.remove()
    return total[0]


def median_ms(step, runs=20):
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    times = []
    for _ in range(runs):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record()
        step()
        b.record()
        b.synchronize()
        times.append(a.elapsed_time(b))
    # The host's clock too: eager code at small batches is bound by it.
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(runs):
        step()
    torch.cuda.synchronize()
    return sorted(times)[len(times) // 2], (time.perf_counter() - start) * 1e3 / runs


def graphed(step):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def guided(net, x, t, y, w=2.0):
    """In place on x, with coefficients that stand for some step of the sampler."""
    n = x.shape[0]
    old = torch.zeros_like(x)
    t2, y2 = t.repeat(2), torch.cat([y, torch.full_like(y, net_classes(net) - 1)])

    def step():
        with torch.no_grad():
            both = net(x.repeat(2, 1, 1, 1), t2, y2).float()[:, : x.shape[1]]
            eps = both[n:] + (1 + w) * (both[:n] - both[n:])
            x0 = ((x - 0.6 * eps) / 0.8).clamp(-1, 1)
            x.copy_(0.95 * x + 0.05 * (1.5 * x0 - 0.5 * old))
            old.copy_(x0)
    return step


def net_classes(net):
    return getattr(net, "_orig_mod", net).label.num_embeddings


class Wrapped(nn.Module):
    """bf16 by autocast."""
    def __init__(self, net, dtype):
        super().__init__()
        self.net, self.dtype, self.label = net, dtype, net.label

    def forward(self, *args):
        with torch.autocast("cuda", self.dtype, enabled=self.dtype is not None, cache_enabled=False):
            return self.net(*args)


def make(preset, batch, device):
    c = PRESETS[preset]
    torch.manual_seed(1)
    net = UNet(**c).to(device).to(memory_format=torch.channels_last)
    x = torch.randn(batch, c["cin"], c["size"], c["size"], device=device).contiguous(memory_format=torch.channels_last)
    return net, x, torch.full((batch,), 500, device=device), torch.zeros(batch, dtype=torch.long, device=device)


def main():
    mode, seconds = sys.argv[1], float(sys.argv[2])
    out = open(sys.argv[3], "w") if mode == "measure" else None
    end = time.time() + seconds
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if mode == "check":
        for preset in PRESETS:
            net, x, t, y = make(preset, 1, device)
            step = guided(net, x, t, y)
            step()
            print(preset, sum(p.numel() for p in net.parameters()), "parameters", flops(net, (x, t, y)) / 1e9, "GFLOP, finite", bool(x.isfinite().all()))
        return
    torch.backends.cudnn.benchmark = True
    # eager first: it costs no compilation. (order of worth)
    plan = [(p, b, m, how, what)
            for how in ("eager", "graph", "compile") for m in ("bf16", "tf32", "fp32")
            for p in ("small32", "base64", "digits") for b in BATCHES[p]
            for what in (("guided", "train") if how != "graph" else ("guided",))
            if not (how == "compile" and (m == "fp32" or what == "train" and p != "small32"))
            and not (m == "fp32" and how == "eager" and what == "train")]
    if mode == "prepare":
        plan = [c for c in plan if c[3] == "compile" and c[4] == "guided"]
    for preset, batch, mat, how, what in plan:
        if time.time() > end - (20 if how == "compile" else 3):
            print("out of time before", preset, batch, mat, how, what, flush=True)
            break
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mat != "fp32"
        try:
            net, x, t, y = make(preset, batch, device)
            run = Wrapped(net, torch.bfloat16 if mat == "bf16" else None)
            if what == "train":
                opt, target = torch.optim.AdamW(net.parameters(), lr=1e-5, fused=True), torch.randn_like(net(x, t, y).float().detach())
                model = torch.compile(run) if how == "compile" else run

                def step():
                    opt.zero_grad(set_to_none=True)
                    F.mse_loss(model(x, t, y).float(), target).backward()
                    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                    opt.step()
            else:
                # cudagraph trees of "reduce-overhead" would replay; a graph around it all costs less host time still.
                step = guided(torch.compile(run) if how == "compile" else run, x, t, y)
                if how in ("graph", "compile"):
                    step()
                    step = graphed(step)
            if mode == "prepare":
                print("prepared", preset, batch, mat, flush=True)
                continue
            device_ms, host_ms = median_ms(step)
            print(json.dumps(dict(preset=preset, batch=batch, math=mat, how=how + ("+graph" if how == "compile" and what == "guided" else ""), what=what,
                                  device_ms=round(device_ms, 4), host_ms=round(host_ms, 4), gflop=round(flops(net, (x, t, y)) * (2 if what == "guided" else 3) / 1e9, 3))),
                  file=out, flush=True)
        except Exception as e:  # noqa: BLE001: the next configuration may work
            print("failed", preset, batch, mat, how, what, repr(e)[:300], flush=True)
            if mode == "measure":
                print(json.dumps(dict(preset=preset, batch=batch, math=mat, how=how, what=what, error=repr(e)[:200])), file=out, flush=True)


main()
