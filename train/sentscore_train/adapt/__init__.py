"""A model that learns from a user's own reviews: from an exported model to another one."""
