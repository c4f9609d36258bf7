"""Times PyTorch's training step, as BenchmarkStep in trainer/session times Plumbline's.

    hack/reference/torch.sh torch_step.py --depth 50 --batch 16 --side 224 --mode eager --steps 20

Both steps take a batch of uint8 images that they normalise, train with AdamW, clip gradients to norm 1, and run in
float32 or bfloat16. Where PyTorch offers a choice, this program makes the one that is faster on a CPU: channels_last,
fused AdamW, foreach clipping, and no copy of the batch. It prints images per second and the process' largest memory as
JSON.
"""

import argparse
import json
import time

import timm
import torch
import torch.nn.functional as F

from torch_train import peak_mib

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--depth", type=int, required=True)
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--side", type=int, default=224)
parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=20)
o = parser.parse_args()

torch.set_num_threads(o.threads)
torch.manual_seed(1)
net = timm.create_model(f"resnet{o.depth}", num_classes=2, in_chans=6).to(memory_format=torch.channels_last).train()
kernels, rest = [p for p in net.parameters() if p.ndim > 1], [p for p in net.parameters() if p.ndim == 1]
groups = [{"params": kernels, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0}]
optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
forward = torch.compile(net) if o.mode == "compile" else net

images = torch.randint(60, 180, (o.batch, o.side, o.side, 6), dtype=torch.uint8)  # channels last
labels, weights = torch.arange(o.batch) % 2, torch.ones(o.batch)
mean, std = torch.arange(100.0, 160.0, 10.0), torch.arange(50.0, 56.0)


def step():
    x = ((images - mean) / std).permute(0, 3, 1, 2)  # in memory this is channels_last
    with torch.autocast("cpu", torch.bfloat16, enabled=o.precision == "bfloat16"):
        logits = forward(x)
    loss = (F.cross_entropy(logits.float(), labels, reduction="none") * weights).sum() / weights.sum()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0, foreach=True)
    optimizer.step()
    return loss.item()


for _ in range(3):  # not timed: compiles, and lets the memory allocators reach a steady state
    step()
began = time.perf_counter()
for _ in range(o.steps):
    step()
seconds = time.perf_counter() - began
print(json.dumps({"imagesPerSecond": o.batch * o.steps / seconds, "peakMiB": peak_mib()}))
