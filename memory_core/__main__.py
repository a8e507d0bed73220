"""python -m memory_core"""

from .cli import main

main()
