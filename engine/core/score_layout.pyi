"""Nothing for Python: see score_layout.pxd."""

__all__: list[str] = []
