"""Steps that make the whole texture."""
