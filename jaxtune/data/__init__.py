"""From files or the hub to token arrays and packed rows."""
