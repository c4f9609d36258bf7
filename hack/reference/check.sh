#!/usr/bin/env bash
# Loads a published model with Python TensorFlow and compares its predictions with those that its checkpoint recorded.
#
#   hack/reference/check.sh PUBLISHED_VERSION CHECKPOINT     both are directories
#
# Exit codes: those of check_saved_model.py; and 3 if this machine's Python cannot run TensorFlow 2.18.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
published=${1:?usage: check.sh PUBLISHED_VERSION CHECKPOINT}
checkpoint=${2:?usage: check.sh PUBLISHED_VERSION CHECKPOINT}

python=$("$here/python.sh" tensorflow "Python TensorFlow 2.18 (250 MB to fetch)")
exec "$python" "$here/check_saved_model.py" "$published" "$checkpoint/manifest.json"
