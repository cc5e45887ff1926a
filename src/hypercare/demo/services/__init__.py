"""The processes of the demo platform; each runs by ``python -m hypercare.demo.services.<name> --port PORT``."""
