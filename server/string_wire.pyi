import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings

__all__ = ["write_strings"]

def write_strings(strings: Strings, field: int) -> tuple[bytes, NDArray[np.int64]]: ...
