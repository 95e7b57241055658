"""Several trainings of one start, whose imports take longer: students, and the types of products.

Usage: python -m tests.student.several_trainings TRAINED FOLDER CONFIG ...
All students of TRAINED are trained by the command. Then the first student of each CONFIG, with the
types of its matrix products in a file of FOLDER for each process.
"""

import sys
from pathlib import Path

from config.load import load_config
from student.__main__ import main
from student.distributed import process_rank
from tests.student.product_types import product_types

if __name__ == "__main__":
    trained, folder, *paths = sys.argv[1:]
    assert main([trained, "train"]) == 0
    for path in map(Path, paths):
        types = product_types(load_config(path))
        file = Path(folder) / f"{path.parent.name}-{process_rank()}"
        file.write_text("\n".join(sorted(types)), "utf-8")
