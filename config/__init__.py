"""The settings of an experiment, how they are read, and the errors a user can mend."""

import os

# Every command imports this first. TRL's trainers tell the model hub of themselves otherwise; a run
# connects to nothing but the servers of its settings.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
