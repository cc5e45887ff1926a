"""Sending samples to other servers by remote write, from a queue that survives restarts.

Start at ``service.py`` (the part in the kernel's loop), ``queue.py`` (what is sent when), ``encode.py`` (messages),
``source.py`` (what is read from the store's log).
"""

from hypercare.remote.service import RemoteWriteService
from hypercare.remote.settings import Destination

__all__ = ["Destination", "RemoteWriteService"]
