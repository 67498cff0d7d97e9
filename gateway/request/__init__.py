"""A partner request, a module for each room, all named in order in serve.py."""
