"""Times PyTorch's training step, as BenchmarkStep in trainer/session times Plumbline's: the same batch of uint8 images, normalised within
the step, AdamW, gradients cut to norm 1, float32 or bfloat16. Prints images a second and the process' largest memory as JSON.

    hack/reference/torch.sh torch_step.py --depth 50 --batch 16 --side 224 --mode eager --steps 20

Every choice is PyTorch's faster one on a CPU: channels_last, fused AdamW, foreach clipping, and no copy of the batch.
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
optimizer = torch.optim.AdamW([{"params": kernels, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0}], lr=1e-3, fused=True)
forward = torch.compile(net) if o.mode == "compile" else net

images = torch.randint(60, 180, (o.batch, o.side, o.side, 6), dtype=torch.uint8)  # as a camera and Plumbline have them
labels, weights = torch.arange(o.batch) % 2, torch.ones(o.batch)
mean, std = torch.arange(100.0, 160.0, 10.0), torch.arange(50.0, 56.0)


def step():
    x = ((images - mean) / std).permute(0, 3, 1, 2)  # channels_last already
    with torch.autocast("cpu", torch.bfloat16, enabled=o.precision == "bfloat16"):
        logits = forward(x)
    loss = (F.cross_entropy(logits.float(), labels, reduction="none") * weights).sum() / weights.sum()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0, foreach=True)
    optimizer.step()
    return loss.item()


for _ in range(3):  # compiles, and lets allocators settle
    step()
began = time.perf_counter()
for _ in range(o.steps):
    step()
seconds = time.perf_counter() - began
print(json.dumps({"imagesPerSecond": o.batch * o.steps / seconds, "peakMiB": peak_mib()}))
