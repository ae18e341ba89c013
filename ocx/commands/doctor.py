"""x"""
from ocx.commands.shared import Invocation, shared
@shared
def doctor(run: Invocation) -> None:
    """Find out what is wrong."""
