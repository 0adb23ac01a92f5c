//! The Anthropic Messages wire.
