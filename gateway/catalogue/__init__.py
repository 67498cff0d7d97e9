"""What the adopter shares. 微单单's catalogue ships here; another adopter names its own module in the settings."""
