"""What tests share: small models, data, oracles and ways to run commands."""
