"""Nothing for Python: see scores.pxd."""

__all__: list[str] = []
