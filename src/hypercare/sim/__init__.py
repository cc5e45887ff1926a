"""The virtual world: a clock that jumps, targets that can be broken, people who answer or sleep.

Product, not test code: `hypercare` rehearses with it, and the tests use the same pieces. It gives the production App
other ports and nothing else.
"""

from hypercare.sim.clock import VirtualClock
from hypercare.sim.eventlog import EventLog
from hypercare.sim.ports import virtual_ports
from hypercare.sim.run import Simulation
from hypercare.sim.targets import SimTarget
from hypercare.sim.world import World

__all__ = ["EventLog", "SimTarget", "Simulation", "VirtualClock", "World", "virtual_ports"]
