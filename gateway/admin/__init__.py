"""What the controller's staff use over HTTP; every door calls the functions of `gateway.stewardship` and nothing beneath them."""
