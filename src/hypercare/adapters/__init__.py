"""The real outside: clock, HTTP, mail, DNS, the machine. The only room that waits, and the only one with real I/O."""
