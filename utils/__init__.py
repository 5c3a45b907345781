"""What every floor may lean on: errors, JSON, tokens, identifiers, time."""
