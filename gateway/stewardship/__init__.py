"""What the controller's staff may do, each thing once; console, admin API and commands are doors to it (policy 9.3)."""
