"""``python -m kracken_tasks.cli``: the same command, for processes that the stack starts."""

from kracken_tasks.cli import main

main()
