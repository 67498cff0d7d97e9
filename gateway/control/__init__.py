"""What the staff of the controller do."""
