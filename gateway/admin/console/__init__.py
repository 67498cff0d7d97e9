"""/admin in a browser: pages for the staff, made on the server; they work without a script."""
