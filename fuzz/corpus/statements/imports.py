"""A module, with what a module may say."""
from __future__ import annotations

import os, sys as system
import a.b.c
from . import near
from ..far.away import (one, two as second,  # ) not the end
    three,
)
from b import \
  c
try:
	import json
except ImportError: json = None
if TYPE_CHECKING:
    from never import Run
if not TYPE_CHECKING:
    import runs

x: int = 1
y = {'a': "import nothing", "b": '''
import text
'''}
z == x

@decorator(os.path)
class C(near.Base):
    import inner
    def method(self, *, key=system.argv):
        import later
        return f"{key!r}" + self.os

async def coroutine(): import never
print(one.two, three[second], "\"", r'\
')
