"""The settings of an experiment, their loader, and the errors that a user can fix."""

import os

# Every command imports this first. A run connects only to the servers in its settings; without this
# variable TRL's trainers send telemetry to the model hub.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
