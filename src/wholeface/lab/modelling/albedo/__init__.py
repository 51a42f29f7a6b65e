"""From portraits and avatars to the albedo statistics of the shipped model."""
