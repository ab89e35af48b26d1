"""What MindSpore's launcher `msrun` starts for each worker, and once more as its scheduler: see commands/workers.py."""

import sys
from pathlib import Path

# Python puts this file's folder there, whose modules are nobody's but the package's.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from ms_gan.commands.worker import run_job  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_job(Path(sys.argv[1])))
