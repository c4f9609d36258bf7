"""Checks that Python TensorFlow loads a published model and gets the predictions that the trainer recorded.

    python3 -m venv venv && venv/bin/pip install -r hack/reference/requirements-tensorflow.txt
    venv/bin/python hack/reference/check_saved_model.py MODEL_DIR MANIFEST [--images FILE] [--tolerance 1e-5]

MODEL_DIR holds saved_model.pb. MANIFEST is a checkpoint's manifest.json; this program reads its input.size,
input.channels and golden (logit, probability, defect). The images are those of FILE (raw, or .npy), by default of
golden.u8 beside the manifest: raw uint8, [n,S,S,C].

Exit code 0: all agree. 1: some differ; the output names them. 2: a file cannot be read.
"""

import argparse
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("model")
    p.add_argument("manifest")
    p.add_argument("--images", help="the images, raw uint8 or .npy; default: golden.u8 beside the manifest")
    p.add_argument(
        "--tolerance", type=float, default=1e-5, help="most difference of two probabilities; default %(default)s"
    )
    args = p.parse_args()
    try:
        golden, images = read(args.manifest, args.images)
        got = predict(args.model, images)
    except (OSError, ValueError, KeyError) as e:
        print(f"check_saved_model: {type(e).__name__}: {e}", file=sys.stderr)
        return 2
    return compare(golden, got, args.tolerance)


def read(manifest, images):
    import numpy as np

    with open(manifest) as f:
        m = json.load(f)
    golden, size, channels = m["golden"], m["input"]["size"], len(m["input"]["channels"])
    if not golden:
        raise ValueError(f"{manifest} has no golden predictions")
    images = images or os.path.join(os.path.dirname(manifest), "golden.u8")
    x = np.load(images) if images.endswith(".npy") else np.fromfile(images, dtype=np.uint8)
    if x.dtype != np.uint8 or x.size != len(golden) * size * size * channels:
        raise ValueError(
            f"{images} holds {x.size} values of {x.dtype}; want {len(golden)} images of {size}x{size}x{channels} uint8"
        )
    return golden, x.reshape(len(golden), size, size, channels)


def predict(model, images):
    import tensorflow as tf

    if not tf.__version__.startswith("2.18."):
        raise ValueError(f"this is TensorFlow {tf.__version__}, not 2.18")
    loaded = tf.saved_model.load(model)  # kept in a variable: the signature's variables live as long as this object
    served = loaded.signatures["serving_default"]
    out = served(image=tf.constant(images))
    return {name: out[name].numpy() for name in ("logit", "probability", "decision")}


def compare(golden, got, tolerance):
    worst, wrong = 0.0, 0
    for i, want in enumerate(golden):
        probability, decision = float(got["probability"][i]), bool(got["decision"][i])
        difference = abs(probability - want["probability"])
        worst = max(worst, difference)
        if not difference <= tolerance or decision != want["defect"]:  # written so that NaN is not within the tolerance
            wrong += 1
            print(
                f"image {i} ({want.get('id', '?')}): probability {probability:.7f}, want {want['probability']:.7f}; "
                f"decision {decision}, want {want['defect']}"
            )
    print(
        f"{len(golden) - wrong} of {len(golden)} predictions agree; "
        f"probabilities differ by at most {worst:.1e}, {tolerance:.0e} is allowed"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
