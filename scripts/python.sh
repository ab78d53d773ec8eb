# shellcheck shell=bash
# Sourced by the other scripts: goes to the root of the checkout and sets PY, the Python of the
# project. That is $PYTHON if it is set, else the one of .venv, else python3.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PY=${PYTHON:-python3}
if [ -z "${PYTHON:-}" ]; then
    for python in .venv/bin/python .venv/Scripts/python.exe; do
        if [ -x "$python" ]; then PY=$PWD/$python; fi
    done
fi
