"""On-call: who is on duty, who is paged for an incident, and who is next when nobody answers."""
