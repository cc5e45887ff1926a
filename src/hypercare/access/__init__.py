"""Who may do what: users, sessions, tokens of programs, and the journal of every change."""

from hypercare.access.roles import Area, Need, Role, Scope

__all__ = ["Area", "Need", "Role", "Scope"]
