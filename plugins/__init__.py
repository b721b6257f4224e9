"""What extends the bot: hook specifications, the guarded loader, and the built-in plugins."""
