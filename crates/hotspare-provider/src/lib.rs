//! The port: what a provider is, how bytes become frames, the one IO loop.
